using System.Globalization;
using Atoll.Contracts;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Wire = Atoll.Prediction.OpenInference.Grpc.Messages;

namespace Atoll.Prediction.OpenInference;

/// <summary>How a ModelConfig says that a model answers step by step: as Triton's iterative sequences with implicit state.</summary>
internal static class StepLoopConfig
{
    private const string Done = "done_output";
    private const string StepsMax = "steps_max";

    public static void Write(StepLoop steps, ModelSignature signature, Wire.ModelConfig config)
    {
        config.SequenceBatching = new ModelSequenceBatching
        {
            IterativeSequence = true,
            State =
            {
                steps.States.Select(state => (State: state, Input: signature.Inputs.Single(input => input.Name == state.Input))).Select(row => new ModelSequenceBatching.Types.State
                {
                    InputName = row.State.Input, OutputName = row.State.Output, DataType = ModelConfig.TypeOf(row.Input), Dims = { row.Input.Shape },
                }),
            },
        };
        if (steps.Done is { } done) config.Parameters[Done] = new ModelParameter { StringValue = done };
        if (steps.StepsMax is { } most) config.Parameters[StepsMax] = new ModelParameter { StringValue = most.ToString(CultureInfo.InvariantCulture) };
    }

    /// <summary>Reads it; what is wrong, as a sentence, when it cannot be.</summary>
    public static (StepLoop? Steps, string? Wrong) Read(Wire.ModelConfig config)
    {
        var isMany = config.ModelTransactionPolicy is { Decoupled: true };
        if (config.SequenceBatching is not { } sequence)
            return isMany ? (null, "a decoupled model needs sequence_batching with iterative_sequence and state: which outputs become which inputs of the next step") : (null, null);
        if (!sequence.IterativeSequence) return (null, "sequence_batching without iterative_sequence is not supported: models keep nothing between requests");
        if (!isMany) return (null, "iterative_sequence needs model_transaction_policy with decoupled: such a model answers many times");
        int? most = null;
        if (config.Parameters.TryGetValue(StepsMax, out var text))
        {
            if (!int.TryParse(text.StringValue, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return (null, $"the parameter '{StepsMax}' is not a whole number");
            most = number;
        }
        return (new StepLoop
        {
            States = [.. sequence.State.Select(state => new StepState { Input = state.InputName, Output = state.OutputName })],
            Done = config.Parameters.TryGetValue(Done, out var done) ? done.StringValue : null,
            StepsMax = most,
        }, null);
    }
}
