import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type Plugin } from "vite";

const api = loadEnv("development", ".", "ESE_").ESE_API ?? "http://127.0.0.1:8700";

/** The interface speaks English; the kit's built-in strings of thirty other languages would be 30 KB of every visit. */
const englishOnly: Plugin = {
  name: "english-only",
  enforce: "pre",
  load: (id) => (/react-(aria|stately)[^?]*\/[a-z]{2}-[A-Z]{2}\.mjs$/.test(id) && !id.endsWith("/en-US.mjs") ? "export default {};" : null),
};

export default defineConfig({
  plugins: [englishOnly, react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  worker: { format: "es" },
  build: { target: "es2022", sourcemap: false, assetsDir: "assets", chunkSizeWarningLimit: 600,
    // Fifty icons of 200 bytes each in one file: on HTTP/1.1 every request costs more than that.
    rolldownOptions: {
      output: {
        // The sign-in pages, which are no part of this build, use the same typeface by this name.
        assetFileNames: ({ names }) => (names[0] === "inter-latin-wght-normal.woff2" ? "assets/inter-latin.woff2" : "assets/[name]-[hash][extname]"),
        codeSplitting: {
          // What every page needs comes as three files (vendor, shared, icons); what only some need stays with them.
          groups: [
            { name: "icons", test: /lucide-react/, priority: 3 },
            { name: "vendor", test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store|@tanstack\/(history|query-core|react-query|router-core|react-router|store|react-store)|openapi-fetch)\//, priority: 2 },
            { name: "shared", test: /src\/((api|lib|realtime)\/|ui\/(arrow-list|button|chip|counts|cx|layout|live-controls|progress|states|toast|table)\.)/, priority: 1 },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": api, "/health": api, "/sign-in": api } },
});
