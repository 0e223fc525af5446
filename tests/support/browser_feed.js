/**
 * Runs in the page, in a test: puts texts of codes into the field for text, one after the other, as a user does, and
 * gives the leading word of each result. Nothing of it is part of the product.
 */
async ({ texts, again, title }) => {
  const LIMIT_MS = 20000;
  const until = async (what, found) => {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const value = found();
      if (value) return value;
      if (performance.now() > end) throw new Error(`not in time: ${what}`);
      await new Promise((go) => setTimeout(go, 0));
    }
  };
  const button = () => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.trim() === again);
  const heading = () => document.querySelector("h1")?.textContent?.trim();
  const words = [];
  for (const [index, text] of texts.entries()) {
    const field = await until("the field", () => document.querySelector("textarea"));
    field.value = text;
    field.form.requestSubmit();
    await until(`result ${index}`, () => heading() === title && button());
    words.push(document.querySelector(".word").textContent.trim());
    button().click();
    await until("the screen after it", () => heading() !== title);
  }
  return words;
};
