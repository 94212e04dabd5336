import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { address, ebb } from './process.js'
import { Cleanup, create, dev, inState, rows, sender, share, tabs, task } from './world.js'

const cleanup = new Cleanup()
afterAll(() => cleanup.run())

test('what happens while the edge is dead is on both pages after its restart, once', async () => {
  const key = { EBB_GRIP_KEY: `ebb-e2e-${randomBytes(32).toString('hex')}` }
  const [addr, control, admin] = [await address(), await address(), await address()]
  const { page, origin, kafka } = await dev(cleanup, ['--edge-url', `http://${addr}`], key)
  const startEdge = async () => {
    const listen = ['--addr', addr, '--control-addr', control, '--admin-addr', admin]
    const edge = await ebb(['edge', ...listen, '--origin', `http://${origin}`, '--kafka', kafka], key)
    cleanup.add(() => edge.end())
    return edge
  }
  const edge = await startEdge()

  const open = await tabs(cleanup, page)
  const pages = [await open('ann'), await open('bob')] as const
  const [ann, bob] = pages
  const card = await create(ann, 'Low tide')
  const id = (await card.getAttribute('data-id'))!
  await share(card, 'bob')
  await task(bob, 'Low tide').waitFor()
  for (const page of pages) await page.evaluate(() => void (document.body.dataset.loaded = 'once'))

  await edge.end('SIGKILL')
  for (const page of pages) await inState(page, 'retrying', 'connecting')
  const send = await sender(ann, 'ann')
  const missed = await send(id, { _command: 'rename', title: 'High tide' })
  await startEdge()
  for (const page of pages) await task(page, 'High tide').waitFor({ timeout: 60_000 })

  // What comes after it has come: a second copy of the missed one would have, too.
  const next = await send(id, { _command: 'move', column: 'done' })
  for (const page of pages) {
    await rows(page, next).waitFor({ state: 'attached' })
    expect(await rows(page, missed).count()).toBe(1)
    expect(await rows(page, next).count()).toBe(1)
    expect(await page.locator('[data-outcome="ebb.reset"]').count()).toBe(0)
    expect(await page.evaluate(() => document.body.dataset.loaded)).toBe('once') // not reloaded
  }
})
