// SPDX-License-Identifier: Apache-2.0
// A bot on telegraf 4. One line was changed for Holdfast.
import { Telegraf } from "telegraf";

const bot = new Telegraf(process.env.BOT_TOKEN, {
  telegram: { apiRoot: process.env.TELEGRAM_API_ROOT }, // changed: the gateway, http://127.0.0.1:8001/telegram
});

bot.on("text", (context) => context.reply(`You said: ${context.message.text}`));

bot.launch();
