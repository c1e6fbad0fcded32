// Builds tracker.min.js from tracker.js and reports its size: npm run build
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { transformSync } from 'esbuild'

const BUDGET = 1000 // bytes, gzipped

const source = readFileSync(new URL('tracker.js', import.meta.url))
// ES2020 has optional chaining; ??= and ||= are compiled.
const { code } = transformSync(source, { minify: true, target: 'es2020', format: 'esm', legalComments: 'none' })
const script = code.trimEnd()
const sizes = {
  raw: Buffer.byteLength(script),
  gzip: gzipSync(script, { level: 9 }).length,
  brotli: brotliCompressSync(script).length,
}
console.log(`tracker.min.js: ${sizes.raw} bytes, ${sizes.gzip} gzipped (of ${BUDGET}), ${sizes.brotli} with brotli`)
if (sizes.gzip > BUDGET) {
  console.error(`tracker.min.js is ${sizes.gzip - BUDGET} bytes over its budget of ${BUDGET} bytes: nothing was written`)
  process.exit(1)
}
writeFileSync(new URL('tracker.min.js', import.meta.url), script)
// The checksum of the source lets a test notice a stale build without Node.js.
const sha256 = createHash('sha256').update(source).digest('hex')
writeFileSync(new URL('build.json', import.meta.url), JSON.stringify({ source: sha256, ...sizes }, null, 2) + '\n')
