// Counts what a client really puts on the wire, so that the test can compare it
// with what was metered. Libraries add calls of their own (eth_chainId before a
// transaction, polls for a receipt), so the bodies are counted and not the
// functions called.
export class Calls {
  requests = 0; // HTTP requests
  largestBatch = 0; // calls in the largest array sent
  byMethod = {};

  // record takes the body of one HTTP request, text or bytes.
  record(body) {
    const message = JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body));
    const calls = Array.isArray(message) ? message : [message];
    this.requests++;
    if (Array.isArray(message)) this.largestBatch = Math.max(this.largestBatch, calls.length);
    for (const { method } of calls) this.byMethod[method] = (this.byMethod[method] ?? 0) + 1;
  }
}

// report prints the one JSON object that the test reads.
export function report(results, calls) {
  const text = (_, v) => (typeof v === "bigint" ? v.toString() : v);
  process.stdout.write(JSON.stringify({ ...results, ...calls }, text) + "\n");
}

export function args() {
  const [url, privateKey] = process.argv.slice(2);
  if (!privateKey) {
    process.stderr.write(`usage: node ${process.argv[1]} RPC_URL PRIVATE_KEY\n`);
    process.exit(2);
  }
  return { url, privateKey };
}
