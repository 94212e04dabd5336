import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { address } from './process.js'
import { Cleanup, create, dev, rows, sender, share, tabs, task } from './world.js'

const cleanup = new Cleanup()
let sns: string
let ann: Page
let bob: Page

/** functions builds the AWS Lambda functions and returns their folder. */
function functions(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-lambda-'))
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  for (const name of ['connect', 'setup', 'command', 'notify']) {
    const to = join(folder, name, 'bootstrap')
    execFileSync('go', ['build', '-tags', 'lambda.norpc', '-o', to, `./lambda/${name}`], { cwd: root, stdio: 'inherit' })
  }
  return folder
}

beforeAll(async () => {
  sns = await address()
  const { page } = await dev(cleanup, ['--lambda', '--functions', functions(), '--sns-addr', sns])
  const open = await tabs(cleanup, page)
  ann = await open('ann')
  bob = await open('bob')
})
afterAll(() => cleanup.run())

test('the board works through the functions: connect, setup, command, SNS and notify', async () => {
  const card = await create(ann, 'Sail without a crew')
  await share(card, 'bob')
  const his = task(bob, 'Sail without a crew')
  await his.waitFor()
  await bob.bringToFront()
  await his.getByTestId('move-doing').click()
  await task(ann, 'Sail without a crew').and(ann.getByTestId('lane-doing').getByTestId('task')).waitFor()
})

test('what SNS delivers again after a cut is not seen again', async () => {
  const id = (await task(ann, 'Sail without a crew').getAttribute('data-id'))!
  const send = await sender(ann, 'ann')
  const first = await send(id, { _command: 'rename', title: 'Sail with a crew' })
  await rows(bob, first).first().waitFor({ state: 'attached' }) // the list is folded
  await ann.getByTestId('cut').click()
  const replies = 'arn:aws:sns:eu-central-1:000000000000:ebb-replies'
  const again = await fetch(`http://${sns}/redeliver?last=100&topic=${replies}`, { method: 'POST' })
  expect(await again.text()).toMatch(/^\d+ delivered again/)
  const last = await send(id, { _command: 'rename', title: 'Sail home' })
  for (const page of [ann, bob]) {
    await rows(page, last).first().waitFor({ state: 'attached' })
    await task(page, 'Sail home').waitFor()
    expect(await rows(page, first).count()).toBe(1)
    expect(await rows(page, last).count()).toBe(1)
  }
  expect(await (await fetch(`http://${sns}/failures`)).json()).toEqual([])
})
