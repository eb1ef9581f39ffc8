import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

const api = loadEnv("development", ".", "ESE_").ESE_API ?? "http://127.0.0.1:8700";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  worker: { format: "es" },
  build: { target: "es2022", sourcemap: false, assetsDir: "assets", chunkSizeWarningLimit: 600 },
  server: { proxy: { "/api": api, "/sign-in": api } },
});
