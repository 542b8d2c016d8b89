// Tells how old the data is, and says so loudly when it is too old. Without it the time of the data is still there.
(function () {
  "use strict";
  var root = document.documentElement;
  var ended = Date.parse(root.getAttribute("data-ended"));
  var limit = Number(root.getAttribute("data-stale-after-seconds"));

  function counted(number, unit) {
    return number + " " + unit + (number === 1 ? "" : "s");
  }

  function words(seconds) {
    if (seconds < 60) { return "less than a minute"; }
    if (seconds < 7200) { return counted(Math.floor(seconds / 60), "minute"); }
    if (seconds < 172800) { return counted(Math.floor(seconds / 3600), "hour"); }
    return counted(Math.floor(seconds / 86400), "day");
  }

  function show() {
    var age = Math.max((Date.now() - ended) / 1000, 0);
    var marker = document.getElementById("stale");
    var stale = limit > 0 && age > limit;
    document.getElementById("age").textContent = ", " + words(age) + " ago";
    if (stale && marker.hidden) {
      marker.textContent = "STALE: this data is " + words(age) + " old. Nothing newer has arrived; look at the schedule of this playbook.";
    }
    marker.hidden = !stale;
    root.classList.toggle("is-stale", stale);
  }

  if (!isNaN(ended)) {
    show();
    setInterval(show, 30000);
  }
}());
