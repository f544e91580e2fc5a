/**
 * Two other ways to draw an answer that grows, beside ours in the same page of JupyterLab.
 *
 * `jupyterChat` mounts the list of messages of `@jupyter/chat` as jupyterlab-chat does and gives
 * its message a longer body for each update. `naive` reads the whole text again with markdown-it,
 * the parser that we use, and replaces what was shown. Neither of them waits for the network.
 */
import { Chat } from '@jupyter/chat/lib/components/chat';
import { AbstractChatContext, AbstractChatModel } from '@jupyter/chat/lib/model';
import createMarkdownIt from 'markdown-it';
import React from 'react';
import { createRoot } from 'react-dom/client';

import '@jupyter/chat/style/base.css';

class Context extends AbstractChatContext {
  get users() {
    return [];
  }
}

class Model extends AbstractChatModel {
  createChatContext() {
    return new Context({ model: this });
  }

  sendMessage() {}
}

function jupyterChat(host, rendermime) {
  const model = new Model();
  const sender = { username: 'bot', display_name: 'Bot', bot: true };
  model.messageAdded({ type: 'msg', id: 'answer', time: 1, sender, body: '' });
  const root = createRoot(host);
  root.render(React.createElement(Chat, { model, rmRegistry: rendermime, area: 'main' }));
  return {
    update: text => model.messages[0].update({ body: text }),
    end: () => root.unmount()
  };
}

function naive(host) {
  const parser = createMarkdownIt();
  const content = document.createElement('div');
  content.className = 'jp-RenderedHTMLCommon';
  host.style.overflow = 'auto';
  host.append(content);
  return {
    update: text => {
      content.innerHTML = parser.render(text);
      host.scrollTop = host.scrollHeight;
    },
    end: () => content.remove()
  };
}

const WAYS = { jupyterChat, naive };
let running = null;

/** Draw `text` up to `already` characters, then `chars` more of it for each update. */
function begin(rendermime, way, { text, already, chars, updates }) {
  const host = document.createElement('div');
  host.style.cssText =
    'position: fixed; inset: 80px 80px auto auto; width: 700px; height: 480px;' +
    'background: white; z-index: 1000';
  document.body.append(host);
  const drawing = WAYS[way](host, rendermime);
  running = { host, drawing, count: 0, timer: 0 };
  drawing.update(text.slice(0, already));
  running.timer = setInterval(() => {
    running.count += 1;
    drawing.update(text.slice(0, already + running.count * chars));
  }, 1000 / updates);
}

function end() {
  clearInterval(running.timer);
  running.drawing.end();
  running.host.remove();
}

window.peers = {
  begin,
  count: () => running.count,
  shown: () => running.host.textContent,
  end
};
