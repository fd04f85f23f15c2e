using System.CommandLine;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll completion</c>: scripts for shells, which ask the hidden <c>atoll complete</c> for words.</summary>
internal static class CompletionCommands
{
    private const string Bash = """
        # Completion of atoll for bash. Load it with: source <(atoll completion bash)
        _atoll() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" complete --position "$COMP_POINT" -- "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _atoll atoll ./atoll
        """;

    private const string Zsh = """
        #compdef atoll
        # Completion of atoll for zsh. Load it with: source <(atoll completion zsh)
        _atoll() {
            local -a words_found
            words_found=("${(@f)$("${words[1]}" complete -- "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
            words_found=(${words_found:#})
            if (( ${#words_found} )); then compadd -a words_found; else _files; fi
        }
        compdef _atoll atoll ./atoll
        """;

    private const string Fish = """
        # Completion of atoll for fish. Store it with: atoll completion fish > ~/.config/fish/completions/atoll.fish
        function __atoll_words
            set -l words (commandline -po)
            $words[1] complete -- (commandline -cp | string collect) 2>/dev/null
        end
        complete -c atoll -a '(__atoll_words)'
        """;

    private const string Pwsh = """
        # Completion of atoll for PowerShell. Load it with: atoll completion pwsh | Out-String | Invoke-Expression
        Register-ArgumentCompleter -Native -CommandName atoll -ScriptBlock {
            param($word, $line, $position)
            atoll complete --position $position -- "$line" 2>$null | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        }
        """;

    public static IEnumerable<Command> All(CommandTree tree) => [Scripts(), Words(tree)];

    private static Verb Scripts()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish or pwsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "pwsh");
        return new Verb(
            "completion", "Print a script that completes atoll's commands in your shell.",
            new("source <(atoll completion bash)", "Complete in this bash; put the line into ~/.bashrc to keep it"),
            new("atoll completion fish > ~/.config/fish/completions/atoll.fish", "Complete in fish"))
        {
            IsLocal = true,
            Arguments = { shell },
        }.Does((context, _) =>
        {
            context.Terminal.Out.WriteLine(context.Get(shell) switch { "bash" => Bash, "zsh" => Zsh, "fish" => Fish, _ => Pwsh });
            return Task.FromResult(ExitCodes.Done);
        });
    }

    private static Verb Words(CommandTree tree)
    {
        var position = new Option<int?>("--position") { Description = "Where the cursor is in the line.", HelpName = "number" };
        var line = new Argument<string>("line") { Description = "What was typed so far." };
        return new Verb("complete", "Print the words that may come next.") { IsLocal = true, Hidden = true, Options = { position }, Arguments = { line } }
            .Does((context, _) =>
            {
                // PowerShell's line ends before its blanks, which tell that the last word is complete.
                var text = context.Get(line);
                if (context.Get(position) is { } cursor && cursor > text.Length && cursor - text.Length < 1000) text = text.PadRight(cursor);
                // The shell's line begins with the program's name, however it was called.
                var start = text.IndexOf(' ') is >= 0 and var space ? space + 1 : text.Length;
                var at = Math.Clamp((context.Get(position) ?? text.Length) - start, 0, text.Length - start);
                foreach (var word in CommandLine.Complete(tree, text[start..], at)) context.Terminal.Out.WriteLine(word);
                return Task.FromResult(ExitCodes.Done);
            });
    }
}
