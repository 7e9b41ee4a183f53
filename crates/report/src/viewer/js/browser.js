// Tells the reader of an old browser what is missing, in syntax that old browsers read.
if (typeof DecompressionStream === "undefined" || typeof ResizeObserver === "undefined") {
  document.getElementById("status").textContent =
    "This browser is too old to show the page. Chrome and Edge can from version 80, Firefox from 113, Safari from 16.4.";
}
