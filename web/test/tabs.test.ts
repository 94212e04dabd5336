import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MockBackend } from '../src/testing.js'
import { after, ownTimers, TestBrowser, type Tab } from './browser.js'

const ways = {
  'a worker': { worker: true, locks: true, channel: true },
  'a worker without locks': { worker: true },
  'an elected tab': { locks: true, channel: true },
}

let backends: Map<string, MockBackend>
const backend = (user = 'ann') => {
  if (!backends.has(user)) backends.set(user, new MockBackend())
  return backends.get(user)!
}
const streams = (user = 'ann') => backend(user).streams.streams.filter(({ open }) => open).length
let said = 0
const say = (user = 'ann') => backend(user).emit('message', String(said++))

beforeEach(() => {
  vi.useFakeTimers()
  ownTimers()
  backends = new Map()
  said = 0
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe.each(Object.entries(ways))('with %s', (way, has) => {
  const browser = () => new TestBrowser(has, backend)
  const three = async () => {
    const shared = browser()
    const tabs = [shared.open(), shared.open(), shared.open()] as const
    await after(1_000)
    return { shared, tabs }
  }

  test('three tabs have one stream, and hear the same', async () => {
    const { tabs } = await three()
    expect(streams()).toBe(1)
    say()
    say()
    await after(100)
    for (const tab of tabs) {
      expect(tab.messages).toEqual(['0', '1'])
      expect(tab.source.state).toEqual({ name: 'open' })
      expect(tab.own('ebb.hello').length).toBeGreaterThan(0)
    }
  })

  test('a tab that joins is greeted with the place from which it hears', async () => {
    const { shared } = await three()
    say()
    await after(100)
    const late = shared.open()
    await after(1_000)
    say()
    await after(100)
    expect(late.own('ebb.hello')).toMatchObject([{ id: '1.mockmock.0.0.0..' }])
    expect(late.messages).toEqual(['1'])
    expect(streams()).toBe(1)
  })

  test('a tab that was reloaded gets what it missed, and the others nothing twice', async () => {
    const { shared, tabs } = await three()
    for (let i = 0; i < 5; i++) say()
    await after(100)
    const opened = backend().streams.streams.length
    const reloaded = shared.open('ann', { cursor: '1.mockmock.0.2.0..' })
    await after(1_000)
    expect(reloaded.messages).toEqual(['3', '4'])
    expect(backend().streams.streams.length).toBe(opened) // out of what is kept
    const old = shared.open('ann', { cursor: '1.mockmock.0.-1.0..' })
    await after(1_000)
    expect(old.messages).toEqual(['0', '1', '2', '3', '4'])
    const before = tabs[0].messages
    say()
    await after(100)
    expect(tabs[0].messages).toEqual([...before, '5'])
    expect(streams()).toBe(1)
  })

  test('a tab from farther back than is kept has the stream begin there', async () => {
    say() // before there is any tab
    const { shared, tabs } = await three()
    const old = shared.open('ann', { cursor: '1.mockmock.0.-1.0..' })
    await after(1_000)
    say()
    await after(100)
    expect(old.messages).toEqual(['0', '1'])
    expect(tabs.map((tab) => tab.messages)).toEqual([['1'], ['1'], ['1']])
    expect(streams()).toBe(1)
  })

  test('a tab of another log must read anew, the others need not', async () => {
    const { shared, tabs } = await three()
    const other = shared.open('ann', { cursor: '1.another1.0.7.0..' })
    await after(1_000)
    say()
    await after(100)
    expect(other.own('ebb.reset')).toHaveLength(1)
    expect(other.messages).toEqual(['0'])
    for (const tab of tabs) expect(tab.own('ebb.reset')).toEqual([])
  })

  test('when the holder dies another goes on, and nothing is missing or twice', async () => {
    const { shared, tabs } = await three()
    say()
    await after(100)
    const holder = shared.worker ?? tabs[0].agent
    holder.die()
    say()
    await after(way === 'a worker without locks' ? 60_000 : 2_000)
    say()
    await after(100)
    const alive = tabs.filter((tab) => !tab.agent.dead)
    expect(alive.length).toBeGreaterThan(1)
    for (const tab of alive) expect(tab.messages).toEqual(['0', '1', '2'])
    expect(streams()).toBe(1)
  })

  test('log out in one tab is log out in all', async () => {
    const { tabs } = await three()
    const out = tabs[1].source.logOut(false)
    await after(1_000)
    await out
    for (const tab of tabs) expect(tab.source.state).toEqual({ name: 'closed', why: 'loggedOut' })
    expect(streams()).toBe(0)
    say()
    await after(60_000)
    for (const tab of tabs) expect(tab.messages).toEqual([])
    tabs[2].source.open()
    await after(1_000)
    expect(tabs.map((tab) => tab.source.state.name)).toEqual(['closed', 'closed', 'open'])
  })

  test('a log out that the gateway refuses is told, and nothing ends', async () => {
    const { tabs } = await three()
    backend().down = true
    const out = tabs[1].source.logOut(true)
    const refused = expect(out).rejects.toThrow('down')
    await after(1_000)
    await refused
    backend().down = false
    expect(tabs.map(({ source }) => source.state.name)).toEqual(['open', 'open', 'open'])
    const again = expect(tabs[1].source.logOut(true)).rejects.toThrow('closed')
    tabs[1].source.close() // before there is an answer
    await again
    await after(1_000)
  })

  test('a tab that leaves while it is being logged out logs all out', async () => {
    const shared = browser()
    const never = new Promise<string>(() => {})
    let slow = false
    const [first, second] = [shared.open(), shared.open('ann', { token: () => (slow ? never : 'A') })]
    await after(1_000)
    slow = true
    const out = expect(second.source.logOut(true)).rejects.toThrow('closed')
    await after(10)
    second.source.close()
    await out
    await after(15_000) // then the other tab does it
    expect(first.source.state).toEqual({ name: 'closed', why: 'loggedOut' })
  })

  test('a tab that was closed can still log all out', async () => {
    const { tabs } = await three()
    tabs[1].source.close()
    await after(100)
    const out = tabs[1].source.logOut(false)
    await after(1_000)
    await out
    for (const tab of tabs) expect(tab.source.state).toEqual({ name: 'closed', why: 'loggedOut' })
  })

  test('another user in another tab hears nothing of it', async () => {
    const { shared, tabs } = await three()
    const bob = shared.open('bob')
    await after(1_000)
    say('ann')
    say('bob')
    await after(100)
    expect(tabs[0].messages).toEqual(['0'])
    expect(bob.messages).toEqual(['1'])
    const out = bob.source.logOut(true)
    await after(1_000)
    await out
    expect(tabs[0].source.state).toEqual({ name: 'open' })
  })

  test('a token is had from a tab that lives and has one', async () => {
    const shared = browser()
    const asked: string[] = []
    const token = (of: string, is: string | null) => () => (asked.push(of), is)
    const first = shared.open('ann', { token: token('first', 'A') })
    await after(1_000)
    const frozen = shared.open('ann', { token: token('frozen', 'B') })
    await after(1_000)
    const without = shared.open('ann', { token: token('without', null) })
    await after(1_000)
    asked.length = 0
    without.wake()
    await after(100)
    frozen.freeze(false)
    backend().cut()
    await after(30_000)
    say()
    await after(100)
    expect(asked).toContain('first')
    expect(first.messages).toEqual(['0'])
    expect(without.messages).toEqual(['0'])
    frozen.thaw()
    await after(1_000)
    expect(frozen.messages).toEqual(['0'])
  })

  test('where no tab has a token all must log in, and one that does brings all back', async () => {
    let token: string | null = null
    const shared = browser()
    const tabs = [shared.open('ann', { token: () => token }), shared.open('ann', { token: () => token })] as const
    await after(1_000)
    for (const tab of tabs) expect(tab.source.state).toEqual({ name: 'closed', why: 'unauthenticated' })
    token = 'A'
    tabs[1].source.open()
    await after(1_000)
    for (const tab of tabs) expect(tab.source.state).toEqual({ name: 'open' })
    expect(streams()).toBe(1)
    const refusals = tabs.map((tab) => tab.states.filter(({ name }) => name === 'closed').length)
    expect(Math.max(...refusals)).toBeLessThanOrEqual(2)
  })

  test('names that only one tab listens to reach it', async () => {
    const { shared, tabs } = await three()
    const listener = shared.open('ann', { names: ['chat'] })
    await after(1_000)
    backend().emit('chat', 'hello')
    say()
    await after(100)
    expect(listener.messages).toEqual(['hello', '0'])
    expect(tabs[0].messages.at(-1)).toBe('0')
    expect(streams()).toBe(1)
  })

  test('the last tab that closes ends the stream', async () => {
    const { tabs } = await three()
    for (const tab of tabs) tab.source.close()
    await after(1_000)
    expect(streams()).toBe(0)
    expect(tabs[0].source.state).toEqual({ name: 'closed', why: 'asked' })
  })

  test('a cut is healed for all', async () => {
    const { tabs } = await three()
    backend().cut()
    say()
    await after(5_000)
    for (const tab of tabs) {
      expect(tab.states.map(({ name }) => name)).toContain('retrying')
      expect(tab.messages).toEqual(['0'])
    }
  })
})

test('a holder that is frozen without a word is set aside, and joins again when it thaws', async () => {
  const shared = new TestBrowser(ways['an elected tab'], backend)
  const [first, second, third] = [shared.open(), shared.open(), shared.open()]
  await after(1_000)
  first.freeze(false)
  say()
  await after(60_000)
  expect(second.messages).toEqual(['0'])
  expect(third.messages).toEqual(['0'])
  say()
  first.thaw()
  await after(60_000)
  for (const tab of [first, second, third]) expect(tab.messages).toEqual(['0', '1'])
  expect(streams()).toBe(1)
})

test('a holder that is told of its freezing hands over at once', async () => {
  const shared = new TestBrowser(ways['an elected tab'], backend)
  const [first, second] = [shared.open(), shared.open()]
  await after(1_000)
  first.freeze(true)
  say()
  await after(1_000)
  expect(second.messages).toEqual(['0'])
  first.thaw()
  await after(1_000)
  expect(first.messages).toEqual(['0'])
  expect(streams()).toBe(1)
})

test('a gap of a tab that came less far is none of the others', async () => {
  const shared = new TestBrowser(ways['a worker'], backend)
  const tab = shared.open()
  await after(1_000)
  for (let i = 0; i < 5; i++) say()
  await after(100)
  const { last } = backend().streams
  last.emit('ebb.reset', { reason: 'distance' }, '1.mockmock.0.2.0..') // as if the stream had begun before
  await after(100)
  expect(tab.own('ebb.reset')).toEqual([])
  last.emit('ebb.reset', { reason: 'truncated' }, '1.mockmock.0.2.0..') // the log itself has lost something
  await after(100)
  expect(tab.own('ebb.reset')).toHaveLength(1)
  last.emit('ebb.reset', { reason: 'distance' }, '1.mockmock.0.9.0..')
  await after(100)
  expect(tab.own('ebb.reset')).toHaveLength(2)
})

test('a message that gets lost between tabs is noticed at the next, and had again', async () => {
  for (const has of Object.values(ways)) {
    backends = new Map()
    said = 0
    const shared = new TestBrowser(has, backend)
    const tabs = [shared.open(), shared.open(), shared.open()]
    await after(1_000)
    shared.losing = 2
    say()
    await after(100)
    say()
    await after(10_000)
    for (const tab of tabs) expect(tab.messages).toEqual(['0', '1'])
  }
})

test('a tab that has died without a word keeps nobody waiting for long', async () => {
  const shared = new TestBrowser(ways['a worker'], backend)
  const [first, second] = [shared.open(), shared.open()]
  await after(1_000)
  second.wake() // the last heard of
  await after(10)
  second.agent.die()
  for (let i = 0; i < 2; i++) {
    backend().cut()
    say()
    await after(i === 0 ? 12_000 : 2_000) // the second time it is asked after the others
    expect(first.messages.at(-1)).toBe(String(i))
  }
})

test('without workers, locks and channels each tab has a stream of its own', async () => {
  const shared = new TestBrowser({}, backend)
  const tabs = [shared.open(), shared.open()]
  await after(1_000)
  say()
  await after(100)
  for (const tab of tabs) expect(tab.messages).toEqual(['0'])
  expect(streams()).toBe(2)
})

/** random is a generator of its own, so that a plan can be played again. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
}

describe.each<[string, { worker?: boolean; locks?: boolean; channel?: boolean }]>(Object.entries(ways))('whatever dies, freezes or is cut, with %s', (_, has) => {
  const plans = Number(process.env.TABS_PLANS ?? 40)

  test(`${plans} plans: each tab hears everything once and in order`, async () => {
    for (let seed = 1; seed <= plans; seed++) {
      backends = new Map()
      said = 0
      const draw = random(seed)
      vi.spyOn(Math, 'random').mockImplementation(() => draw(1_000) / 1_000)
      const browser = new TestBrowser(has, backend)
      browser.delay = () => draw(4)
      const living = () => browser.tabs.filter((tab) => !tab.agent.dead)
      const one = (): Tab | undefined => living()[draw(living().length)]
      const frozen = () => living().filter((tab) => tab.agent.frozen)
      const story: string[] = []
      const steps: Record<string, () => unknown> = {
        say,
        'say more': () => (say(), say(), say()),
        open: () => living().length < 6 && browser.open(),
        reload: () => {
          const tab = one()
          if (!tab || tab.agent.frozen) return
          tab.leave()
          const { stored } = tab.position
          const again = browser.open('ann', { cursor: stored })
          again.events = [...tab.events]
        },
        leave: () => living().length > 1 && one()?.leave(),
        kill: () => living().length > 1 && one()?.agent.die(),
        'kill the worker': () => browser.worker?.die(),
        freeze: () => frozen().length < 2 && one()?.freeze(draw(2) === 0),
        thaw: () => frozen()[0]?.thaw(),
        wake: () => one()?.wake(),
        cut: () => backend().cut(),
        offline: () => backend().offline(),
        online: () => backend().online(),
        lose: () => browser.losing++,
        close: () => one()?.source.close(),
        'open again': () => living().forEach((tab) => tab.agent.run(() => tab.source.open())),
        'a moment': () => after(draw(20)),
        'a second': () => after(draw(2_000)),
        'a while': () => after(draw(60_000)),
      }
      const names = Object.keys(steps)
      browser.open()
      for (let i = 0; i < 80; i++) {
        const name = names[draw(names.length)]!
        story.push(name)
        await steps[name]!()
        await after(draw(3))
      }
      browser.losing = 0
      for (const tab of frozen()) tab.thaw()
      backend().online()
      for (const tab of living()) tab.agent.run(() => tab.source.open())
      await after(200_000)
      say()
      await after(1_000)
      for (const [i, tab] of living().entries()) {
        const plan = `seed ${seed}, tab ${i}: ${story.join(', ')}`
        expect(tab.own('ebb.reset'), plan).toEqual([])
        expect(tab.source.state, plan).toEqual({ name: 'open' })
        const from = said - tab.messages.length
        expect(tab.messages, plan).toEqual(tab.messages.map((_, i) => String(from + i)))
        // It was told the place from which it hears, and heard all after it.
        const [hello] = tab.own('ebb.hello')
        expect(Number(hello!.id.split('.')[3]) + 1, plan).toBe(from)
      }
      if (has.locks && living().length > 0) expect(streams(), `seed ${seed}: ${story.join(', ')}`).toBe(1)
      for (const tab of browser.tabs) tab.agent.die()
      vi.clearAllTimers()
    }
  }, 120_000)
})
