// Prints Stryker's mutants of a script as JSON. Run it in a folder in which @stryker-mutator/core is installed:
//   node mutants_of.mjs tracker.js > mutants.json
import { readFileSync } from 'node:fs'
import { createInstrumenter } from '@stryker-mutator/instrumenter'
import { createInjector } from 'typed-inject'

const [, , file] = process.argv
const logger = new Proxy({}, { get: () => () => false })
const instrumenter = createInjector()
  .provideValue('getLogger', () => logger)
  .provideValue('logger', logger)
  .provideValue('options', {})
  .injectFunction(createInstrumenter)
const { mutants } = await instrumenter.instrument(
  [{ name: file, content: readFileSync(file, 'utf8'), mutate: true }],
  { ignorers: [], plugins: null, excludedMutations: [] },
)
console.log(JSON.stringify(mutants.map(({ id, mutatorName, location, replacement }) => ({ id, mutatorName, location, replacement }))))
