// memory-mcp plugin for Cline, version 1.
// `memory-mcp install cline` writes this file, `memory-mcp uninstall cline` takes it out again.
//
// It tells memory-mcp what was said and done, and gives the model what memory-mcp prints for it when
// a prompt is sent or a tool was used. Cline keeps that in the history; where nothing of ours is left
// in it (it was compacted), it is told anew. Whatever goes wrong here, the session goes on without
// memory.

import { spawn, spawnSync } from "node:child_process"

// Calls of memory-mcp, one after another, so that the order of things stays. What was told is safe
// as soon as the program runs; what it prints is for the model. Nothing here ever fails.

const COMMAND = ["/absolute/path/to/.venv/bin/memory-mcp", "hook", "cline"]
const MARK = "memory-mcp"
const ANSWER_MS = 10_000 // the first prompt of a day has to start the daemon
const GATHER_MS = 300 // what happens within this goes in one call
const END_MS = 3_000 // as long as the host's end may be held up

let tail = Promise.resolve()

class Session {
  constructor(id, folder) {
    this.id = id
    this.folder = folder
    this.waiting = []
  }

  tell(hook, events = []) {
    clearTimeout(this.timer)
    const told = this.payload(hook, [...this.waiting.splice(0), ...events])
    const call = tail.then(() => run(told))
    tail = call
    return call
  }

  later(hook, event) {
    this.waiting.push(event)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.tell(hook), GATHER_MS)
    this.timer.unref?.()
  }

  // The host's process ends: the last chance, and nothing may be waited for but this.
  leave() {
    if (!this.started) return
    this.started = false
    const [program, ...words] = COMMAND
    const input = this.payload("exit", [...this.waiting.splice(0), { event: "end" }])
    try {
      spawnSync(program, words, { input, timeout: END_MS, windowsHide: true })
    } catch {}
  }

  payload(hook, events) {
    return JSON.stringify({
      hook_event_name: hook, session_id: this.id, cwd: this.folder, events,
    })
  }
}

function run(told) {
  return new Promise((resolve) => {
    const [program, ...words] = COMMAND
    const printed = []
    let child
    const timer = setTimeout(() => {
      child?.kill()
      resolve("")
    }, ANSWER_MS)
    const end = (text) => {
      clearTimeout(timer)
      resolve(text)
    }
    try {
      child = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"], windowsHide: true })
      child.on("error", () => end(""))
      child.on("close", () => end(contextIn(Buffer.concat(printed).toString("utf8"))))
      child.stdout.on("data", (data) => printed.push(data))
      child.stdin.on("error", () => undefined)
      child.stdin.end(told)
    } catch {
      end("")
    }
  })
}

function contextIn(printed) {
  try {
    return printed ? (JSON.parse(printed).additionalContext ?? "") : ""
  } catch {
    return ""
  }
}

function within(ms, promise) {
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function quietly(handle) {
  return async (...told) => {
    try {
      return await handle(...told)
    } catch {
      return undefined
    }
  }
}

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
