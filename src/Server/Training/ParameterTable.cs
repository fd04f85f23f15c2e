using Atoll.Contracts;
using Atoll.Platform;

namespace Atoll.Training;

/// <summary>All that may be chosen about one kind of training. Requests are checked by it, trainers read through it, pages list it.</summary>
/// <param name="SampleType">What the trainer learns from; one of <see cref="DatasetTypes"/>.</param>
/// <param name="Parameters">In the order in which pages list them.</param>
internal sealed record ParameterTable(string SampleType, IReadOnlyList<TrainerParameter> Parameters)
{
    /// <summary>The tables of all trainers.</summary>
    public static IReadOnlyList<ParameterTable> All { get; } = [.. TrainingKinds.All.Select(kind => kind.Parameters)];

    /// <summary>What is wrong with what was given; null when it can be used.</summary>
    /// <param name="given">Names and values as a person wrote them.</param>
    /// <param name="columns">The columns that a training on a table may use.</param>
    public ParameterMistake? Check(IReadOnlyDictionary<string, string> given, IReadOnlyCollection<string>? columns = null)
    {
        foreach (var (name, value) in given)
        {
            if (Parameters.FirstOrDefault(parameter => parameter.Name == name) is not { } parameter)
            {
                var asked = Spelling.Ask(name, Parameters.Select(known => known.Name));
                return new ParameterMistake(
                    name, $"A training on {SampleType} samples has no parameter '{name}'.",
                    $"{asked}It takes: {string.Join("; ", Parameters.Select(known => $"{known.Name}: {known.Expected}"))}.");
            }
            if (IsDefault(value)) continue;
            if (!parameter.Accepts(value.Trim()))
                return new ParameterMistake(name, $"Parameter '{name}' is '{value}'; expected {parameter.Expected}, or auto.", $"Without it: {parameter.Default}.");
            if (parameter is TrainerParameter.Columns && columns is not null
                && ParameterValues.Split(value).FirstOrDefault(column => !columns.Contains(column)) is { } unknown)
            {
                return new ParameterMistake(
                    name, $"Parameter '{name}' names column '{unknown}', which the table does not have.",
                    $"{Spelling.Ask(unknown, columns)}There are: {string.Join(", ", columns.Take(30))}.");
            }
        }
        return null;
    }

    /// <summary>The values, for a trainer.</summary>
    /// <exception cref="TrainingRefusedException">Something is wrong with them.</exception>
    public ParameterValues Read(IReadOnlyDictionary<string, string> given, IReadOnlyCollection<string>? columns = null) =>
        Check(given, columns) is { } mistake ? throw new TrainingRefusedException($"{mistake.What} {mistake.Remedy}") : new ParameterValues(this, given);

    /// <summary>Left to the trainer, in so many words.</summary>
    public static bool IsDefault(string text) => text.Trim() is "" or "auto";
}

/// <summary>A parameter that cannot be used.</summary>
internal sealed record ParameterMistake(string Name, string What, string Remedy);

/// <summary>Checked parameters; null is what the trainer chooses.</summary>
internal sealed class ParameterValues(ParameterTable table, IReadOnlyDictionary<string, string> given)
{
    public int? Whole(string name) => Text<TrainerParameter.Whole>(name) is { } text ? TrainerParameter.Whole.Read(text) : null;

    public double? Number(string name) => Text<TrainerParameter.Number>(name) is { } text ? TrainerParameter.Number.Read(text) : null;

    public bool? Flag(string name) => Text<TrainerParameter.Flag>(name) is { } text ? text == "true" : null;

    public string? Choice(string name) => Text<TrainerParameter.Choice>(name);

    public string[]? Choices(string name) => Text<TrainerParameter.Several>(name) is { } text ? Split(text) : null;

    public string[] Columns(string name) => Text<TrainerParameter.Columns>(name) is { } text ? Split(text) : [];

    public string? Label(string name) => Text<TrainerParameter.Label>(name);

    public static string[] Split(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    // A trainer can read only what its table lists, as the kind that it lists.
    private string? Text<TParameter>(string name)
        where TParameter : TrainerParameter
    {
        _ = table.Parameters.OfType<TParameter>().Single(parameter => parameter.Name == name);
        return given.TryGetValue(name, out var text) && !ParameterTable.IsDefault(text) ? text.Trim() : null;
    }
}
