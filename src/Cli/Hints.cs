using Spectre.Console;

namespace Atoll.Cli;

/// <summary>Lines that somebody copies: commands, keys, addresses. They are never broken, and call the program as it was called.</summary>
internal static class Hints
{
    /// <summary>Writes a line that stays one, however narrow the screen.</summary>
    public static void Hint(this IAnsiConsole console, string text) =>
        console.Profile.Out.Writer.WriteLine(console.Profile.Out is Terminal.Sink sink ? sink.Named(text) : text);
}
