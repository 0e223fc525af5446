self.addEventListener("install", () => {});
export {};
