// A demonstration of its own for a test file, and a browser for it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const binary = process.env.SWITCHBOARD || new URL("../../target/debug/switchboard", import.meta.url).pathname;

export class Host {
  data = mkdtempSync(join(tmpdir(), "switchboard-demo-"));

  async start() {
    this.demo = spawn(binary, ["demo", "--listen", "127.0.0.1:0", "--data", this.data], { stdio: ["ignore", "pipe", "inherit"] });
    [this.address] = await once(createInterface({ input: this.demo.stdout }), "line");
    return this.address;
  }

  async stop() {
    this.demo.kill("SIGINT");
    const [status] = await once(this.demo, "exit");
    assert.equal(status, 0, "Ctrl-C ends cleanly");
  }

  // A page on which any error fails the test.
  async open() {
    this.browser ||= await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"],
    });
    const page = await this.browser.newPage({ viewport: { width: 1400, height: 1000 } });
    page.on("pageerror", (error) => { throw error; });
    page.on("console", (message) => { 
      // A page that is not there is said so by the browser, too; a test may want that.
      const missing = page.expectMissing && /status of 404/.test(message.text());
      if (message.type() === "error" && !missing) throw new Error(message.text());
    });
    return page;
  }

  async end() {
    await this.browser?.close();
    this.demo?.kill("SIGKILL");
    rmSync(this.data, { recursive: true, force: true });
  }
}
