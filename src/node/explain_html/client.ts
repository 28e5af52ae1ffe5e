// The script of the page: a click on a sentence marks all lines that prove it and brings the first of them into sight.

/** Without it the links lead to the first line. */
export const CLIENT: string = `
addEventListener('click', event => {
  const link = event.target.closest('a[data-lines]')
  if (!link) return
  event.preventDefault()
  for (const old of document.querySelectorAll('.hit, a[aria-current]')) {
    old.classList.remove('hit')
    old.removeAttribute('aria-current')
  }
  link.setAttribute('aria-current', 'true')
  const rows = link.dataset.lines.split(' ').map(line => document.getElementById('L' + line)).filter(Boolean)
  for (const row of rows) row.classList.add('hit')
  if (rows.length === 0) return
  const box = rows[0].closest('.log')
  box.scrollTop = rows[0].offsetTop - box.clientHeight / 3
  const place = box.getBoundingClientRect()
  if (place.bottom < 80 || place.top > innerHeight - 80) box.scrollIntoView({ block: 'center' })
})
`
