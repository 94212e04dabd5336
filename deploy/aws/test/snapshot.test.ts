import { expect, test } from 'vitest'
import { elsewhere, many, own, synth } from './world.ts'

const httpApi = { ...elsewhere, entrance: 'http-api' }

// What changes here changes what is deployed: look at it, then `npx vitest run -u`.
for (const [name, system] of Object.entries({ elsewhere, own, many, httpApi })) {
  for (const [stack, template] of Object.entries(synth(system))) {
    if (name === 'many' && stack === 'Ebb') continue // is that of own
    test(`${name}, ${stack}`, async () => {
      const json = template.toJSON()
      delete json.Mappings // the layers of all regions
      await expect(`${JSON.stringify(json, null, 1)}\n`).toMatchFileSnapshot(`snapshots/${name}-${stack}.json`)
    })
  }
}
