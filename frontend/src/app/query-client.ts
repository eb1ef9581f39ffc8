import { focusManager, QueryClient } from "@tanstack/react-query";
import { asProblem } from "../api/problem";

/** What does not exist is not asked for again. */
const isGone = (error: unknown): boolean => error !== null && asProblem(error).status === 404;

// A window beside another is never hidden: coming back to it shows as a focus only.
focusManager.setEventListener((back) => {
  const look = () => back();
  if (typeof window === "undefined") return;
  addEventListener("visibilitychange", look);
  addEventListener("focus", look);
  return () => {
    removeEventListener("visibilitychange", look);
    removeEventListener("focus", look);
  };
});

/** The live stream keeps data fresh, so nothing polls; an answer of the API (4xx) is never asked for again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      networkMode: "always", // what a browser calls offline may still reach this server; what cannot says so at once
      // A form shows one thing in detail: it must not be edited from an old state, whatever the age of what is here.
      refetchOnWindowFocus: (query) => !isGone(query.state.error) && (query.queryKey[1] === "detail" || query.queryKey[0] === "senders" ? "always" : true),
      refetchOnReconnect: (query) => !isGone(query.state.error),
      retry: (failures, error) => {
        const { status, code } = asProblem(error);
        if (code === "timeout") return false; // the person has waited long enough to be told
        return failures < 2 && (status === 0 || status >= 502);
      },
    },
    mutations: { networkMode: "always" },
  },
});
