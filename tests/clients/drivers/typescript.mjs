// The TypeScript client, in the era that is asked for: the whole result is the caller's.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const script = JSON.parse(process.argv[2]);
const mode = process.argv[3];
// The packages are in the folder that the driver is started from, not beside it.
const require = createRequire(`${process.env.MEMORY_MCP_NODE_FOLDER}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");

const [command, ...args] = script.command;
const transport = script.url
  ? new StreamableHTTPClientTransport(new URL(script.url))
  : new StdioClientTransport({ command, args, env: script.environment });
const client = new Client({ name: "tests", version: "1" }, { versionNegotiation: { mode } });
await client.connect(transport, { timeout: 60_000 });

const { tools } = await client.listTools();
const answers = {};
for (const { name } of tools) {
  const result = await client.callTool({ name, arguments: script.calls[name] });
  answers[name] = JSON.stringify(result);
}
const resources = {};
for (const { uri } of (await client.listResources()).resources) {
  resources[uri] = (await client.readResource({ uri })).contents[0].text;
}
const manifest = `${process.env.MEMORY_MCP_NODE_FOLDER}/node_modules/@modelcontextprotocol/client`;
const { version } = JSON.parse(readFileSync(`${manifest}/package.json`, "utf8"));
const note = client.getNegotiatedProtocolVersion();
const names = tools.map((tool) => tool.name);
await client.close();
console.log(JSON.stringify({ version, tools: names, answers, resources, note }));
