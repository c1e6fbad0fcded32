window.elsewhere.start({ collector: new URL(document.currentScript.dataset.api).origin });
window.clickport = {
  track: function (name, properties, revenue) {
    window.elsewhere.report(name, properties, revenue && [revenue.amount, revenue.currency]);
  }
};
