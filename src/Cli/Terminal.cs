using System.Text.RegularExpressions;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>Where a command reads and writes: answers to <see cref="Out"/>, everything else to <see cref="Error"/>.</summary>
internal sealed partial class Terminal
{
    /// <summary>Widest that text is set, so that lines stay readable on a wide screen.</summary>
    private const int WidthMax = 120;

    /// <summary>Lines for files and programs are not broken.</summary>
    private const int Unbounded = 10_000;

    private readonly Func<string, string?> _environment;

    public Terminal(TextWriter output, TextWriter error, TextReader input, Func<string, string?> environment, string configFolder)
    {
        Out = output;
        Error = error;
        In = input;
        _environment = environment;
        ConfigFolder = configFolder;
    }

    public TextWriter Out { get; }

    public TextWriter Error { get; }

    public TextReader In { get; }

    public bool OutIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    public bool InIsTerminal { get; init; }

    /// <summary>Columns of the screen; of no meaning for what is not a terminal.</summary>
    public Func<int> Columns { get; init; } = static () => 80;

    /// <summary>Folder of the user's settings; need not exist.</summary>
    public string ConfigFolder { get; }

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Answers, styled for a terminal and plain for anything else.</summary>
    public IAnsiConsole OutConsole => field ??= Create(Out, OutIsTerminal, int.MaxValue);

    /// <summary>Progress and messages.</summary>
    public IAnsiConsole ErrorConsole => field ??= Create(Error, ErrorIsTerminal, WidthMax);

    /// <summary>Width for text meant to be read.</summary>
    public int ReadingWidth => Math.Clamp(OutIsTerminal ? Columns() : 100, 40, WidthMax);

    /// <summary>How the program was called: by the script that started it, or by its name.</summary>
    public string Program => Environment("ATOLL_PROGRAM") ?? "atoll";

    /// <summary>A text of ours whose commands can be copied as they stand.</summary>
    public string Named(string text) => Program is "atoll" ? text : Command().Replace(text, match => Program + match.Value["atoll".Length..]);

    /// <summary>A message beside the answer, for a person.</summary>
    public void Tell(string text) => Error.WriteLine(Named(text));

    public string? Environment(string name) => _environment(name) is { Length: > 0 } value ? value : null;

    /// <summary>The process's own terminal.</summary>
    public static Terminal OfProcess() => new(Console.Out, Console.Error, Console.In, System.Environment.GetEnvironmentVariable, UserConfigFolder())
    {
        OutIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        InIsTerminal = !Console.IsInputRedirected,
        Columns = static () =>
        {
            try
            {
                return Console.WindowWidth is > 0 and var columns ? columns : 80;
            }
            catch (IOException)
            {
                return 80; // no screen to measure
            }
        },
    };

    private IAnsiConsole Create(TextWriter writer, bool isTerminal, int widthMax)
    {
        var dumb = Environment("TERM") == "dumb";
        var color = isTerminal && Environment("NO_COLOR") is null && !dumb;
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isTerminal && !dumb ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = color ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = isTerminal && !dumb ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new Sink(this, writer, isTerminal, () => isTerminal ? Math.Clamp(Columns(), 40, widthMax) : Unbounded),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        console.Profile.Capabilities.Unicode = true;
        return console;
    }

    private static string UserConfigFolder() => Path.Combine(
        System.Environment.GetFolderPath(System.Environment.SpecialFolder.ApplicationData, System.Environment.SpecialFolderOption.DoNotVerify), "atoll");

    // Commands are written in small letters everywhere, the product is not.
    [GeneratedRegex(@"(?<![\w./\\-])atoll (?=[a-z-])")]
    private static partial Regex Command();

    /// <summary>Where a console of Spectre writes.</summary>
    internal sealed class Sink(Terminal terminal, TextWriter writer, bool isTerminal, Func<int> width) : IAnsiConsoleOutput
    {
        public string Named(string text) => terminal.Named(text);

        public TextWriter Writer => writer;

        public bool IsTerminal => isTerminal;

        public int Width => width();

        public int Height => 40;

        public void SetEncoding(System.Text.Encoding encoding)
        {
            // The process's encoding is set once, at its start.
        }
    }
}
