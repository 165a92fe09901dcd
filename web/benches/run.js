// Runs a measurement that is written in TypeScript: `node benches/run.js whiteboard`. Node 20 cannot do so by itself.

import { runnerImport } from 'vite';

const [name] = process.argv.slice(2);
if (name === undefined) throw new Error('which measurement? a file in benches/, without .ts');
const { module } = await runnerImport(new URL(`./${name}.ts`, import.meta.url).pathname, {
  configFile: false,
});
await module.run();
