// How a machine comes to life: from a description, or from the files captured on a real one.
export { boot_from_description, type DescriptionBootOptions } from './boot_description.ts'
export { boot_zones_from_snapshot, type SnapshotBootOptions } from './boot_snapshot.ts'
