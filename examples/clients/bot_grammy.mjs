// SPDX-License-Identifier: Apache-2.0
// A bot on grammY 1. One line was changed for Holdfast.
import { Bot } from "grammy";

const bot = new Bot(process.env.BOT_TOKEN, {
  client: { apiRoot: process.env.TELEGRAM_API_ROOT }, // changed: the gateway, http://127.0.0.1:8001/telegram
});

bot.on("message:text", (context) => context.reply(`You said: ${context.message.text}`));

bot.start();
