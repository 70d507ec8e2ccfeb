// memory-mcp plugin for @TITLE@, version 1.
// `memory-mcp install @HOST@` writes this file, `memory-mcp uninstall @HOST@` takes it out again.
//
// It tells memory-mcp what was said and done, and gives the model what memory-mcp prints for it when
// a prompt is sent or a tool was used. Cline keeps that in the history; where nothing of ours is left
// in it (it was compacted), it is told anew. Whatever goes wrong here, the session goes on without
// memory.

import { spawn, spawnSync } from "node:child_process"

@TELLING@
let session = new Session("", process.cwd())
const told = new Set() // ids of the messages that were told

function textOf(message) {
  const parts = Array.isArray(message?.content) ? message.content : []
  return parts.filter((part) => part.type === "text").map((part) => part.text).join("\n")
}

// The user's words stand between tags; what Cline says itself, and what hooks added, is marked.
function wordsIn(message) {
  if (message.role !== "user" || message.metadata?.displayRole === "system") return ""
  return textOf(message).replace(/<user_input[^>]*>([\s\S]*?)<\/user_input>/g, "$1").trim()
}

function isOurs(message) {
  return message.metadata?.displayRole === "system" && textOf(message).includes(MARK)
}

function newPrompts(messages) {
  const answered = messages.findLastIndex((message) => message.role === "assistant")
  const fresh = messages.slice(answered + 1).filter((message) => !told.has(message.id))
  for (const message of fresh) told.add(message.id)
  return fresh
    .map((message) => ({ event: "prompt", id: message.id, text: wordsIn(message) }))
    .filter((event) => event.text)
}

async function prompted({ snapshot }) {
  if (!session.id || snapshot.parentAgentId) return undefined
  const messages = snapshot.messages ?? []
  const events = session.started ? [] : [{ event: "start" }]
  session.started = true
  if (session.informed && !messages.some(isOurs)) events.push({ event: "compacted" })
  events.push(...newPrompts(messages))
  const text = await session.tell("beforeRun", events)
  session.informed ||= Boolean(text) || messages.some(isOurs)
  return text ? { appendContext: text } : undefined
}

async function used({ snapshot, toolCall, input, result, endedAt }) {
  if (!session.started || snapshot.parentAgentId) return undefined
  const output = result?.output ?? result?.error
  const event = {
    event: "tool", id: toolCall.toolCallId, name: toolCall.toolName, input, output,
    at: endedAt ? new Date(endedAt).getTime() : undefined,
  }
  const text = await session.tell("afterTool", [event])
  return text ? { appendContext: text } : undefined
}

function happened({ type, message, snapshot }) {
  if (!session.started || snapshot?.parentAgentId || type !== "message-added") return
  if (told.has(message.id)) return
  told.add(message.id)
  const { id, role, createdAt: at } = message
  const text = role === "assistant" ? textOf(message).trim() : wordsIn(message)
  if (!text) return
  session.later("onEvent", { event: role === "assistant" ? "answer" : "prompt", id, text, at })
}

process.on("exit", () => session.leave())

export default {
  name: MARK,
  manifest: { capabilities: ["hooks"] },
  setup(_, context) {
    const { session: its, workspaceInfo } = context ?? {}
    session = new Session(its?.sessionId ?? "", workspaceInfo?.rootPath ?? process.cwd())
  },
  hooks: {
    beforeRun: quietly(prompted),
    afterTool: quietly(used),
    onEvent: quietly(happened),
    afterRun: quietly(async ({ snapshot }) => {
      if (session.waiting.length && !snapshot.parentAgentId) await session.tell("afterRun")
    }),
  },
}
