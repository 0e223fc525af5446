/**
 * Runs in the page, in a test: everything that the page's origin keeps and that the page itself shows, as texts.
 * Bytes are written in hexadecimal digits.
 */
async () => {
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const told = (value) =>
    JSON.stringify(value, (_key, item) => {
      if (item instanceof ArrayBuffer) return hex(new Uint8Array(item));
      if (ArrayBuffer.isView(item)) return hex(new Uint8Array(item.buffer, item.byteOffset, item.byteLength));
      if (item instanceof Map || item instanceof Set) return [...item];
      return typeof item === "bigint" ? item.toString(16) : item;
    }) ?? "";
  const request = (asked) =>
    new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  const dump = {};
  for (const { name } of await indexedDB.databases()) {
    const database = await request(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const opened = database.transaction(store).objectStore(store);
      const [keys, values] = [await request(opened.getAllKeys()), await request(opened.getAll())];
      dump[`IndexedDB ${name}/${store}`] = told([keys, values]);
    }
    database.close();
  }
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const asked of await cache.keys()) {
      const body = await (await cache.match(asked)).arrayBuffer();
      dump[`cache ${name} ${asked.url}`] = `${asked.url} ${hex(new Uint8Array(body))}`;
    }
  }
  dump.localStorage = told({ ...localStorage });
  dump.sessionStorage = told({ ...sessionStorage });
  dump.cookies = document.cookie;
  dump.address = location.href;
  dump.history = told([history.length, history.state]);
  dump.title = document.title;
  dump.name = window.name;
  dump.page = document.documentElement.outerHTML;
  dump.fields = told([...document.querySelectorAll("input, textarea")].map(({ value }) => value));
  dump.resources = told(performance.getEntries().map(({ name }) => name));
  return dump;
};
