import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The page is committed and embedded: names without hashes, React by itself,
// so that a change of ours is a small change there.
export default defineConfig({
  root: 'board',
  base: './',
  plugins: [react()],
  worker: { format: 'es', rolldownOptions: { output: { entryFileNames: 'assets/[name].js' } } },
  build: {
    outDir: '../../demo/page',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'LICENSES.md' },
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/board.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        codeSplitting: { groups: [{ name: 'react', test: /node_modules/ }] },
      },
    },
  },
})
