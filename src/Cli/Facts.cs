using Spectre.Console;

namespace Atoll.Cli;

/// <summary>Names and values under each other, for one thing.</summary>
internal sealed class Facts
{
    private readonly List<(string Name, Grid.Cell Value)> _facts = [];

    /// <summary>Adds a fact; nothing to say is left out.</summary>
    public Facts Add(string name, Grid.Cell value)
    {
        if (!string.IsNullOrEmpty(value.Text)) _facts.Add((name, value));
        return this;
    }

    public void Write(IAnsiConsole console, string indent = "")
    {
        var width = _facts.Select(fact => Grid.Width(fact.Name)).DefaultIfEmpty().Max();
        foreach (var (name, value) in _facts)
        {
            var text = value.Style is null ? value.Text.EscapeMarkup() : $"[{value.Style}]{value.Text.EscapeMarkup()}[/]";
            console.MarkupLine($"{indent}[dim]{name.EscapeMarkup()}[/]{new string(' ', width - Grid.Width(name))}  {text}");
        }
    }
}
