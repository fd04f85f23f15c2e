using Atoll.Contracts;

namespace Atoll.ModelImports;

/// <summary>Whether a model can be run step by step as somebody says.</summary>
internal static class StepLoops
{
    private const int StatesMax = 1000;

    /// <summary>What does not fit, as a sentence; null when everything does.</summary>
    public static string? Check(StepLoop steps, ModelSignature signature)
    {
        if (steps.States is not { Count: > 0 and <= StatesMax } || steps.States.Any(state => state is null))
            return $"A model of steps has states, one to {StatesMax}: outputs that become inputs of the next step.";
        var inputs = new HashSet<string>(StringComparer.Ordinal);
        var outputs = new HashSet<string>(StringComparer.Ordinal);
        foreach (var state in steps.States)
        {
            if (signature.Inputs.FirstOrDefault(input => input.Name == state.Input) is not { } input) return $"The state '{state.Input}' is no input of the model.";
            if (signature.Outputs.FirstOrDefault(output => output.Name == state.Output) is not { } output) return $"The state '{state.Output}' is no output of the model.";
            if (!inputs.Add(state.Input)) return $"The input '{state.Input}' is a state twice.";
            if (!outputs.Add(state.Output)) return $"The output '{state.Output}' is a state twice.";
            var fits = input.Shape.Count == output.Shape.Count && input.Shape.Zip(output.Shape).All(pair => pair.First < 0 || pair.Second < 0 || pair.First == pair.Second);
            if (input.Datatype != output.Datatype || !fits)
                return $"The output '{state.Output}' is {Describe(output)}; the input '{state.Input}' that it becomes is {Describe(input)}.";
        }
        if (steps.Done is not null)
        {
            if (signature.Outputs.FirstOrDefault(output => output.Name == steps.Done) is not { Datatype: "BOOL" }) return $"'{steps.Done}' is no output of type BOOL, which is what says that no step follows.";
            outputs.Add(steps.Done);
        }
        if (steps.StepsMax is < 1) return $"The number of steps is {steps.StepsMax}; it must be at least 1.";
        return signature.Outputs.All(output => outputs.Contains(output.Name))
            ? "Every output is a state or says that no step follows, so that nothing is left to answer. Give the answer an output of its own (Identity)."
            : null;
    }

    private static string Describe(TensorSpec tensor) => $"{tensor.Datatype} [{string.Join(',', tensor.Shape)}]";
}
