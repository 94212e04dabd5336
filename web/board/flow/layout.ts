/** Box is a part of the picture; a log is one of Kafka's topics. */
export interface Box {
  name: string
  says: string
  kind: 'browser' | 'box' | 'log' | 'service'
  /** x and y are its middle. */
  x: number
  y: number
  w: number
  h: number
}

/** Arrow is the way of a step, with its number and its time on it. */
export interface Arrow {
  step: number
  path: string
  badge: readonly [x: number, y: number]
  time: readonly [x: number, y: number, anchor?: 'start' | 'end']
}

export interface Layout {
  width: number
  height: number
  boxes: Record<'browser' | 'gateway' | 'commands' | 'service' | 'replies' | 'connector' | 'channels' | 'edge', Box>
  arrows: readonly Arrow[]
  captions: readonly { way: 'in' | 'back'; says: string; x: number; y: number }[]
}

const browser = { name: 'Browser', says: 'this page', kind: 'browser' } as const
const gateway = { name: 'Gateway', says: 'lets in', kind: 'box' } as const
const commands = { name: 'Kafka', says: 'commands', kind: 'log' } as const
const service = { name: 'Service', says: 'decides', kind: 'service' } as const
const replies = { name: 'Kafka', says: 'replies', kind: 'log' } as const
const connector = { name: 'Connector', says: 'whose is it?', kind: 'box' } as const
const channels = { name: 'Kafka', says: 'channels', kind: 'log' } as const
const edge = { name: 'Edge', says: 'holds streams', kind: 'box' } as const

/** wide has commands flow to the right and events ebb back to the left. */
export const wide: Layout = {
  width: 1040,
  height: 272,
  boxes: {
    browser: { ...browser, x: 68, y: 136, w: 112, h: 240 },
    gateway: { ...gateway, x: 340, y: 50, w: 124, h: 68 },
    commands: { ...commands, x: 640, y: 50, w: 136, h: 68 },
    service: { ...service, x: 970, y: 136, w: 112, h: 240 },
    replies: { ...replies, x: 800, y: 222, w: 104, h: 68 },
    connector: { ...connector, x: 648, y: 222, w: 112, h: 68 },
    channels: { ...channels, x: 496, y: 222, w: 104, h: 68 },
    edge: { ...edge, x: 340, y: 222, w: 124, h: 68 },
  },
  arrows: [
    { step: 1, path: 'M124 28H278', badge: [146, 28], time: [162, 32] },
    { step: 2, path: 'M278 50H124', badge: [146, 50], time: [162, 54] },
    { step: 3, path: 'M124 200H278', badge: [146, 200], time: [162, 204] },
    { step: 4, path: 'M316 188V84', badge: [316, 118], time: [304, 140, 'end'] },
    { step: 5, path: 'M364 84V188', badge: [364, 154], time: [376, 140] },
    { step: 6, path: 'M278 222H124', badge: [146, 222], time: [162, 226] },
    { step: 7, path: 'M124 72H278', badge: [146, 72], time: [162, 76] },
    { step: 8, path: 'M402 50H572', badge: [472, 50], time: [488, 54] },
    { step: 9, path: 'M708 50H914', badge: [790, 50], time: [806, 54] },
    { step: 10, path: 'M914 222H852', badge: [883, 222], time: [883, 181] },
    { step: 11, path: 'M748 222H548', badge: [728, 222], time: [728, 181] },
    { step: 12, path: 'M444 222H350C310 222 320 246 280 246H124', badge: [423, 222], time: [423, 181] },
  ],
  captions: [
    { way: 'in', says: 'commands flow in', x: 608, y: 118 },
    { way: 'back', says: 'events ebb back', x: 608, y: 168 },
  ],
}

/** narrow is the same for phones: commands flow down, events ebb up. */
export const narrow: Layout = {
  width: 360,
  height: 500,
  boxes: {
    browser: { ...browser, x: 180, y: 36, w: 344, h: 56 },
    gateway: { ...gateway, x: 72, y: 168, w: 124, h: 58 },
    commands: { ...commands, x: 72, y: 316, w: 124, h: 58 },
    service: { ...service, x: 180, y: 464, w: 344, h: 56 },
    replies: { ...replies, x: 288, y: 382, w: 124, h: 52 },
    connector: { ...connector, x: 288, y: 310, w: 124, h: 48 },
    channels: { ...channels, x: 288, y: 238, w: 124, h: 52 },
    edge: { ...edge, x: 288, y: 162, w: 124, h: 52 },
  },
  arrows: [
    { step: 1, path: 'M24 64V139', badge: [24, 84], time: [24, 112] },
    { step: 2, path: 'M70 139V64', badge: [70, 84], time: [70, 112] },
    { step: 3, path: 'M240 64V136', badge: [240, 84], time: [240, 112] },
    { step: 4, path: 'M226 152H134', badge: [180, 152], time: [180, 138] },
    { step: 5, path: 'M134 180H226', badge: [180, 180], time: [180, 204] },
    { step: 6, path: 'M286 136V64', badge: [286, 84], time: [286, 112] },
    { step: 7, path: 'M116 64V139', badge: [116, 84], time: [116, 112] },
    { step: 8, path: 'M72 197V287', badge: [72, 242], time: [86, 246, 'start'] },
    { step: 9, path: 'M72 345V436', badge: [72, 390], time: [86, 394, 'start'] },
    { step: 10, path: 'M288 436V408', badge: [288, 423], time: [274, 427, 'end'] },
    { step: 11, path: 'M288 356V264', badge: [288, 345], time: [274, 349, 'end'] },
    { step: 12, path: 'M288 212V165C288 135 332 150 332 120V64', badge: [332, 84], time: [332, 112] },
  ],
  captions: [],
}
