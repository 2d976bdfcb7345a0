// Opens report pages in a real browser and says, as JSON, what axe-core finds, what was asked
// of the network, and where the keyboard leads. Arguments: modules folder, browser, pages.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const [modules, browserPath, ...pages] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: browserPath, args: quiet });
const found = {};
for (const file of pages) {
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  const asked = [], errors = [];
  page.on('request', r => { if (!r.url().startsWith('data:')) asked.push(r.url()); });
  page.on('pageerror', e => errors.push(String(e)));
  page.on('console', m => { if (m.type() === 'error') errors.push(m.text()); });
  await page.goto('file://' + file);
  await page.keyboard.press('Tab');
  const skip = await page.evaluate(() => {
    const at = document.activeElement, box = at.getBoundingClientRect();
    return { href: at.getAttribute('href'), seen: box.left >= 0 && box.width > 0 };
  });
  await page.keyboard.press('Enter');
  const reached = await page.evaluate(() => location.hash);
  const wide = async (width) => {
    await page.setViewportSize({ width, height: 800 });
    return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  };
  const over = { desk: await wide(1100), phone: await wide(390) };
  await page.setViewportSize({ width: 1100, height: 900 });
  await page.evaluate(axe);
  const faults = await page.evaluate(async () => (await axe.run()).violations.map(
    v => ({ id: v.id, impact: v.impact, where: v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)) })));
  const blank = await page.evaluate(() => [...document.images].filter(i => !i.naturalWidth).length);
  const printed = await page.pdf({ preferCSSPageSize: true });
  found[file] = { asked: asked.filter(u => u !== 'file://' + file), errors, skip, reached, over,
    faults, blank, printed: printed.length };
  await page.close();
}
await browser.close();
console.log(JSON.stringify(found));
