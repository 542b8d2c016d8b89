"use strict";

const socket = new WebSocket(`wss://${location.host}/ws`);
socket.addEventListener("message", (event) => {
  document.getElementById("tick").textContent = event.data;
});
