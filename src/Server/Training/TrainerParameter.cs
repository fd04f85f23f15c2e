using System.Globalization;

namespace Atoll.Training;

/// <summary>A thing that a person may choose about a training: its name, its values, and what happens without it.</summary>
/// <param name="Name">As a person writes it.</param>
/// <param name="Default">What holds without it, in words.</param>
/// <param name="Meaning">What it does, in words.</param>
internal abstract record TrainerParameter(string Name, string Default, string Meaning)
{
    /// <summary>What may be written, for a person: <c>a whole number from 2 to 20</c>.</summary>
    public abstract string Expected { get; }

    public abstract bool Accepts(string text);

    /// <summary>A number between two bounds, both included.</summary>
    public sealed record Number(string Name, double Least, double Most, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => string.Create(CultureInfo.InvariantCulture, $"a number from {(decimal)Least} to {(decimal)Most}");

        public override bool Accepts(string text) => Read(text) is { } number && number >= Least && number <= Most;

        public static double? Read(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>A whole number between two bounds, both included.</summary>
    public sealed record Whole(string Name, int Least, int Most, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => string.Create(CultureInfo.InvariantCulture, $"a whole number from {Least} to {Most}");

        public override bool Accepts(string text) => Read(text) is { } number && number >= Least && number <= Most;

        public static int? Read(string text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>Yes or no.</summary>
    public sealed record Flag(string Name, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => "true or false";

        public override bool Accepts(string text) => text is "true" or "false";
    }

    /// <summary>One word of a few.</summary>
    public sealed record Choice(string Name, IReadOnlyList<string> Choices, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => $"{string.Join(", ", Choices.SkipLast(1))} or {Choices[^1]}";

        public override bool Accepts(string text) => Choices.Contains(text);
    }

    /// <summary>Some words of a few, separated by commas.</summary>
    public sealed record Several(string Name, IReadOnlyList<string> Known, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => $"{string.Join(", ", Known.SkipLast(1))} or {Known[^1]}, or several, separated by commas";

        public override bool Accepts(string text) => ParameterValues.Split(text) is { Length: > 0 } words && words.All(Known.Contains);
    }

    /// <summary>A label of the target. Whether there is such a label is known when the data is read.</summary>
    public sealed record Label(string Name, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => "a label";

        public override bool Accepts(string text) => true;
    }

    /// <summary>Columns of the table, separated by commas. Whether they are there is checked where the table is known.</summary>
    public sealed record Columns(string Name, string Default, string Meaning) : TrainerParameter(Name, Default, Meaning)
    {
        public override string Expected => "names of columns, separated by commas";

        public override bool Accepts(string text) => true;
    }
}
