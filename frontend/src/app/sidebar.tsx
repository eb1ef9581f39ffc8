import { Link } from "@tanstack/react-router";
import { groups } from "./nav";
import { useAllowed } from "./allowed";

export function Sidebar() {
  const allowed = useAllowed();
  return (
    <div className="flex h-full flex-col overflow-y-auto px-3 py-4">
      <Link to="/" className="mb-5 flex items-center gap-2.5 rounded-md px-2 py-1">
        <svg aria-hidden viewBox="0 0 32 32" width="28" height="28">
          <rect width="32" height="32" rx="9" fill="#4338ca" />
          <path d="M8 11h9M8 16h16M8 21h12" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
          <circle cx="22.5" cy="11" r="2.3" fill="#5fe0b0" />
        </svg>
        <span className="text-md font-semibold tracking-tight">Event Stream Engine</span>
      </Link>
      <nav aria-label="Main" className="grid gap-5">
        {groups.map((group) => (
          <div key={group.title}>
            <h2 className="px-3 pb-1.5 text-xs font-medium tracking-wide text-muted">{group.title}</h2>
            <ul className="grid gap-0.5">
              {group.places.filter(allowed).map((place) => (
                <li key={place.to}>
                  <Link
                    to={place.to}
                    activeOptions={{ exact: place.to === "/", includeSearch: false }}
                    className="flex min-h-9 pointer-coarse:min-h-11 items-center gap-3 rounded-md px-3 text-base text-muted transition-colors hover:bg-hover hover:text-text aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-text"
                  >
                    {({ isActive }) => (
                      <>
                        <place.icon aria-hidden className={isActive ? "size-[18px] text-accent" : "size-[18px]"} />
                        {place.label}
                      </>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
    </div>
  );
}
