import { fileURLToPath } from 'node:url'
import { App } from 'aws-cdk-lib'
import { app } from '../lib/app.ts'

app(new App(), fileURLToPath(new URL('../../../dist/lambda', import.meta.url)))
