// Starts the simulators twice, plainly and with certificates of their own, then runs the tests. The vendor's Bitrix24
// clients speak https only; the tests' process trusts the authority that `sandbox --tls` made for this run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const binary = process.env.SWITCHBOARD || new URL("../../target/debug/switchboard", import.meta.url).pathname;

async function sandbox(...options) {
  const child = spawn(binary, ["sandbox", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, told: JSON.parse(line) };
}

const started = [];
let status = 1;
try {
  const plain = await sandbox();
  started.push(plain.child);
  const secure = await sandbox("--tls");
  started.push(secure.child);
  const told = { ...plain.told, https: secure.told.bitrix24.url };
  const tests = spawn(process.execPath, ["--test"], {
    stdio: "inherit",
    env: {
      ...process.env, NODE_EXTRA_CA_CERTS: secure.told.certificate_authority, SANDBOX: JSON.stringify(told),
      SECURE: JSON.stringify(secure.told), SWITCHBOARD: binary,
    },
  });
  [status] = await once(tests, "exit");
} finally {
  started.forEach((child) => child.kill());
}
process.exit(status ?? 1);
