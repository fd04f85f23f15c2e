using System.CommandLine;

namespace Atoll.Cli;

/// <summary>A line to copy, and what it does.</summary>
internal sealed record Example(string Line, string Says);

/// <summary>A command that does something, with examples in its help.</summary>
internal sealed class Verb : Command
{
    /// <param name="name">The last word of the command.</param>
    /// <param name="description">One sentence.</param>
    /// <param name="examples">Lines that work as they stand.</param>
    public Verb(string name, string description, params IReadOnlyList<Example> examples)
        : base(name, description) => Examples = examples;

    public IReadOnlyList<Example> Examples { get; }

    /// <summary>More about the command, for its help.</summary>
    public string? Details { get; init; }

    /// <summary>The command calls no server, so it takes no <c>--server</c>, <c>--key</c> and <c>--output</c>.</summary>
    public bool IsLocal { get; init; }

    /// <summary>Says what the command does when called.</summary>
    public Verb Does(Func<CommandContext, CancellationToken, Task<int>> work)
    {
        Work = work;
        // The action only marks the command as complete; CommandLine runs the work, where failures become exit codes.
        SetAction(static (_, _) => Task.FromResult(ExitCodes.Done));
        return this;
    }

    public Func<CommandContext, CancellationToken, Task<int>>? Work { get; private set; }
}

/// <summary>A command that only holds others: <c>atoll runs</c>.</summary>
internal sealed class Noun : Command
{
    public Noun(string name, string description, params ReadOnlySpan<Command> verbs)
        : base(name, description)
    {
        foreach (var verb in verbs) Subcommands.Add(verb);
    }
}
