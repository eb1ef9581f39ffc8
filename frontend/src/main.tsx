import "@fontsource-variable/inter/wght.css";
import "uplot/dist/uPlot.min.css"; // here, for the chart's chunk would ask for a file of its own
import "./styles/app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./app/query-client";
import { router } from "./app/router";
import { startLive } from "./realtime/client";
import { LivePatcher } from "./realtime/patches";

const patcher = new LivePatcher(queryClient);
startLive({ update: patcher.apply, resync: patcher.resync });

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
