namespace Atoll.Contracts;

/// <summary>
/// Makes a model answer many times: it is run step by step, each step is an answer, and what a step gives for the state is what the next one takes.
/// </summary>
public sealed record StepLoop
{
    /// <summary>What goes from step to step. The other inputs are the same for all steps.</summary>
    public required IReadOnlyList<StepState> States { get; init; }

    /// <summary>An output of type BOOL: no step follows one in which all its elements are true. Null when steps are only counted.</summary>
    public string? Done { get; init; }

    /// <summary>Steps after which there is no other; null for as many as the server allows.</summary>
    public int? StepsMax { get; init; }
}

/// <summary>An output that becomes an input of the next step.</summary>
public sealed record StepState
{
    public required string Output { get; init; }

    public required string Input { get; init; }
}
