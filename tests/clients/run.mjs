// Starts the simulators and a TLS front before them, then runs the tests. The vendor's Bitrix24 client speaks
// https only, so it gets https: with a certificate made for this run, which the tests' process trusts.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env.SWITCHBOARD || new URL("../../target/debug/switchboard", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "switchboard-clients-"));
const sandbox = spawn(binary, ["sandbox"], { stdio: ["ignore", "pipe", "inherit"] });
let status = 1;
try {
  const [line] = await once(createInterface({ input: sandbox.stdout }), "line");
  const told = JSON.parse(line);

  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
  ], { stdio: "ignore" });
  const front = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (from, to) => {
    const options = { host: "127.0.0.1", port: new URL(told.bitrix24.url).port, path: from.url, method: from.method, headers: from.headers };
    from.pipe(request(options, (answer) => {
      to.writeHead(answer.statusCode, answer.headers);
      answer.pipe(to);
    }));
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const https = `https://localhost:${front.address().port}`;

  const tests = spawn(process.execPath, ["--test"], {
    stdio: "inherit",
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate, SANDBOX: JSON.stringify({ ...told, https }), SWITCHBOARD: binary },
  });
  [status] = await once(tests, "exit");
  front.close();
  front.closeAllConnections();
} finally {
  sandbox.kill();
  rmSync(folder, { recursive: true });
}
process.exit(status ?? 1);
