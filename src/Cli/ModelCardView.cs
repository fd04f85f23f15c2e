using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>How a model card looks on a terminal; the tables of its scores are in the report.</summary>
internal static class ModelCardView
{
    private const int ColumnsShown = 10;

    public static void Show(IAnsiConsole console, ModelCardResponse card)
    {
        console.WriteLine($"{card.Model} version {card.Version}");
        console.WriteLine(card.Summary);
        if (card.Notes is { } notes)
        {
            console.WriteLine();
            Notes(console, notes);
        }
        Sentences(console, "Known limits", card.Limits, "None were found. That does not mean that there are none.");
        Sentences(console, "Not known", card.NotKnown, null);
        if (card.Columns?.Where(column => column.Importance > 0).Take(ColumnsShown).ToList() is { Count: > 0 } columns)
        {
            console.WriteLine();
            var grid = new Grid().Flexible("goes by").Text("type").Number("importance").Number("missing");
            foreach (var column in columns)
                grid.Row(column.Name, column.Type, Words.Percent(column.Importance!.Value), column.MissingShare is { } missing ? Words.Percent(missing) : "");
            grid.Write(console);
        }
        console.WriteLine();
        console.Hint($"Scores, calibration, groups:  atoll models report {card.Model} {card.Version}");
        console.Hint($"As a page:                    atoll models card {card.Model} {card.Version} --to card.html");
    }

    public static void Notes(IAnsiConsole console, ModelNotes notes) =>
        new Facts().Add("meant for", notes.IntendedUse).Add("not for", notes.NotFor).Add("licence", notes.Licence).Add("contact", notes.Contact).Write(console);

    private static void Sentences(IAnsiConsole console, string heading, IReadOnlyList<string> sentences, string? none)
    {
        if (sentences.Count == 0 && none is null) return;
        console.WriteLine();
        console.WriteLine($"{heading}:");
        foreach (var sentence in sentences.DefaultIfEmpty(none!)) console.WriteLine($"- {sentence}");
    }
}
