# bash completion for migrate
_migrate() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands='plan check start backfill relay verify mismatches shadow finish status rejects pause resume set version help'
  local options='--json --help'
  local settings='jobs= rows_per_second= bytes_per_second= target_ms= max_rows= max_bytes='
  local word command='' plan='' i
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    [[ $word == -* ]] && continue
    if [[ ! $command ]]; then
      command=$word
    elif [[ $word == *.yaml || $word == *.yml ]]; then
      plan=$word
    fi
  done

  case $previous in
    --source | --target)
      # URLs contain colons, at which readline begins a new word: only the schemes are offered.
      mapfile -t COMPREPLY < <(compgen -W 'postgresql:// mysql:// sqlite:' -- "$current")
      compopt -o nospace
      return
      ;;
    -o | --output)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames
      return
      ;;
    --scan)
      mapfile -t COMPREPLY < <(compgen -W 'full none' -- "$current")
      return
      ;;
    --mode)
      mapfile -t COMPREPLY < <(compgen -W 'auto stream digest' -- "$current")
      return
      ;;
    --capture)
      mapfile -t COMPREPLY < <(compgen -W 'trigger shim none' -- "$current")
      return
      ;;
    --name | --table | --exclude | --jobs | --rows-per-second | --bytes-per-second | --show | --limit | --id | --reason | --log | --percent | --read-percent)
      return # a value that only the user knows
      ;;
  esac
  if [[ $current == -* ]]; then
    case $command in
      '') options='--help --version' ;;
      plan) options+=' --source --target --output --name --table --exclude --scan --capture --inline-writes --force' ;;
      check) options+=' --allow-existing' ;;
      start) options+=' --allow-existing --forget-target --recapture' ;;
      backfill) options+=' --jobs --rows-per-second --bytes-per-second --allow-existing' ;;
      relay) options+=' --follow' ;;
      verify) options+=' --table --show --repair --log --mode --continuous --resume --jobs --rows-per-second --bytes-per-second' ;;
      mismatches) options+=' --table --all --limit --resolve --id --reason' ;;
      shadow) options+=' --percent --read-percent' ;;
      status) options+=' --watch' ;;
      rejects) options+=' --table --all --limit --retry --resolve --id --reason' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ ! $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
  elif [[ $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
  elif [[ $command == set && $plan ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$settings" -- "$current")
    compopt -o nospace
  elif [[ $command != plan && $command != version && ! $plan ]]; then
    # A plan file; folders too, for plans within them.
    mapfile -t COMPREPLY < <(
      compgen -f -X '!*.y*ml' -- "$current"
      compgen -d -- "$current"
    )
    compopt -o filenames
  fi
}
complete -F _migrate migrate
