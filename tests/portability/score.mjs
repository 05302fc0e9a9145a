// Scores the rows of a file with onnxruntime-web's WebAssembly, as a page would: node score.mjs MODEL.onnx ROWS.json
// Prints one line a row: raw_score prediction is_anomaly confidence.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const installed = createRequire(`${process.env.INSTALLED}/`);
const ort = await import(pathToFileURL(installed.resolve("onnxruntime-web/wasm").replace(/\.js$/, ".mjs")));
ort.env.wasm.numThreads = 1;
const [model, file] = process.argv.slice(2);
const { numeric, text } = JSON.parse(readFileSync(file));

const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const values = numeric.flat().map((value) => (value === null ? NaN : value));
const feed = { numeric: new ort.Tensor("float64", Float64Array.from(values), [numeric.length, numeric[0].length]) };
if (text) feed.text = new ort.Tensor("string", text.flat(), [text.length, text[0].length]);
const { raw_score, prediction, is_anomaly, confidence } = await session.run(feed);
for (const row of numeric.keys())
  console.log(raw_score.data[row], prediction.data[row], Number(is_anomaly.data[row]), confidence.data[row]);
