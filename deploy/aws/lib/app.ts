import type { App } from 'aws-cdk-lib'
import { EdgeStack } from './edge-stack.ts'
import { parameters } from './parameters.ts'
import { EbbStack } from './stack.ts'

/** app puts the stacks into an app, as its context says. dist is where the functions were built. */
export function app(to: App, dist: string): { ebb: EbbStack; edge?: EdgeStack } {
  const p = parameters(to.node, dist)
  const ebb = new EbbStack(to, 'Ebb', { parameters: p })
  if (!p.edge) return { ebb }
  return { ebb, edge: new EdgeStack(to, 'EbbEdge', { parameters: p.edge, api: ebb }) }
}
