// memory-mcp plugin for opencode, version 1.
// `memory-mcp install opencode` writes this file, `memory-mcp uninstall opencode` takes it out again.
//
// It tells memory-mcp what was said and done, and gives the model what memory-mcp prints for it. The
// text goes into the history as a part of the prompt's message, so that it is told once; before each
// request the history is looked at, and where nothing of ours is left in it (it was compacted or
// undone) the text is told anew. Whatever goes wrong here, the session goes on without memory.

import { spawn, spawnSync } from "node:child_process"

// Calls of memory-mcp, one after another, so that the order of things stays. What was told is safe
// as soon as the program runs; what it prints is for the model. Nothing here ever fails.

const COMMAND = ["/absolute/path/to/.venv/bin/memory-mcp", "hook", "opencode"]
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

export const MemoryMCP = async ({ client, directory }) => {
  const sessions = new Map()

  function known(id) {
    let session = sessions.get(id)
    if (!session) {
      session = new Session(id, directory)
      session.answering = new Set() // ids of the model's messages
      sessions.set(id, session)
    }
    return session
  }

  // A subagent's session is a child of the one that called it: nothing in it is the user's.
  async function isChild(session) {
    if (session.child === undefined) {
      const asked = client.session.get({ path: { id: session.id } })
      const told = await within(2_000, asked).catch(() => undefined)
      session.child = Boolean(told?.data?.parentID)
    }
    return session.child
  }

  // Which session a history was copied from, if it holds what that one was told.
  async function copiedFrom(session) {
    const asked = client.session.messages({ path: { id: session.id } })
    const told = await within(2_000, asked).catch(() => undefined)
    const ours = (told?.data ?? []).flatMap((message) => message.parts.filter(isOurs))
    const whose = ours.at(-1)?.metadata[MARK]
    return whose === session.id ? undefined : whose
  }

  function later(session, event) {
    // A fork is told of all that it copied, as if it were said and done once more.
    if (!session.started || event.at < session.born) return
    session.later("event", event)
  }

  const handlers = {
    "session.created": ({ info }) => {
      const session = known(info.id)
      session.child = Boolean(info.parentID)
      session.born = info.time?.created
    },
    "message.updated": ({ info }) => {
      // A compaction's summary is an answer to nobody.
      if (info.role === "assistant" && info.summary !== true) {
        known(info.sessionID).answering.add(info.id)
      }
    },
    "message.part.updated": ({ part }) => {
      const session = known(part.sessionID)
      if (!session.answering.has(part.messageID)) return
      if (part.type === "text" && part.time?.end && !part.synthetic && part.text?.trim()) {
        later(session, { event: "answer", id: part.id, text: part.text, at: part.time.end })
      } else if (part.type === "tool" && ["completed", "error"].includes(part.state?.status)) {
        later(session, {
          event: "tool", id: part.id, name: part.tool, input: part.state.input,
          output: part.state.output ?? part.state.error, at: part.state.time?.end,
        })
      }
    },
    "session.compacted": ({ sessionID }) => {
      const session = known(sessionID)
      if (session.started) session.later("event", { event: "compacted" })
    },
    "session.idle": ({ sessionID }) => {
      const session = known(sessionID)
      if (session.waiting.length) session.tell("session.idle")
    },
    "session.deleted": ({ info }) => {
      const session = known(info.id)
      if (session.started) session.tell("session.deleted", [{ event: "end" }])
      sessions.delete(info.id)
    },
  }

  async function prompted(input, output) {
    const session = known(input.sessionID)
    if (await isChild(session)) return
    const said = output.parts.filter((part) => part.type === "text" && !part.synthetic)
    const text = session.command ?? said.map((part) => part.text).join("\n")
    session.command = undefined
    const { id, time } = output.message
    const events = []
    if (!session.started) {
      session.started = true
      events.push({ event: "start", at: time?.created, copied_from: await copiedFrom(session) })
    }
    if (text.trim()) events.push({ event: "prompt", id, text, at: time?.created })
    const told = await session.tell("chat.message", events)
    for (const one of [told, session.carried]) {
      if (one) output.parts.unshift(part(one, output.message, output.parts[0]))
    }
    session.carried = undefined
  }

  // Does the model still have what it was told? Asked before each request.
  async function looked({ messages }) {
    const last = messages.findLast((message) => message.info.role === "user")
    if (!last) return
    const session = known(last.info.sessionID)
    if (session.compacting) {
      session.compacting = false // what is told anew afterwards need not be summarised
      for (const message of messages) message.parts = message.parts.filter((part) => !isOurs(part))
      return
    }
    if (!session.started || messages.some((message) => message.parts.some(isOurs))) return
    if (!session.carried && session.asked !== last.info.id) {
      session.asked = last.info.id // once for each prompt, also where nothing comes of it
      session.carried = await session.tell("chat.message", [{ event: "compacted" }])
    }
    if (session.carried) last.parts.unshift(part(session.carried, last.info, last.parts[0]))
  }

  async function ended() {
    for (const session of sessions.values()) {
      if (session.started) session.tell("dispose", [{ event: "end" }])
      session.started = false
    }
    await within(END_MS, tail)
  }

  process.on("exit", () => {
    for (const session of sessions.values()) session.leave()
  })

  return {
    event: quietly(({ event }) => handlers[event.type]?.(event.properties)),
    "chat.message": quietly(prompted),
    "command.execute.before": quietly((input) => {
      // What a command expands to was written by nobody in this session.
      known(input.sessionID).command = `/${input.command} ${input.arguments ?? ""}`.trim()
    }),
    "experimental.chat.messages.transform": quietly((_, output) => looked(output)),
    "experimental.session.compacting": quietly((input) => {
      known(input.sessionID).compacting = true
    }),
    dispose: quietly(ended),
  }
}

function isOurs(part) {
  return part.type === "text" && part.synthetic && part.metadata?.[MARK]
}

// Parts are kept in the order of their ids: one that comes just before another.
function part(text, message, next) {
  const found = /^prt_([0-9a-f]{12})(\w+)$/.exec(next?.id ?? "")
  const time = (found ? BigInt(`0x${found[1]}`) : BigInt(Date.now()) * 0x1000n) - 1n
  const hex = time.toString(16).padStart(12, "0").slice(-12)
  return {
    id: `prt_${hex}${found?.[2] ?? "memorymcp00000"}`, messageID: message.id,
    sessionID: message.sessionID, type: "text", synthetic: true, text,
    metadata: { [MARK]: message.sessionID },
  }
}
