using System.Runtime.CompilerServices;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;
using Microsoft.Extensions.Options;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>One of a model's answers to a request; its outputs are in the request's tensors until the next one is asked for.</summary>
/// <param name="IsLast">No other follows.</param>
/// <param name="Problem">Why there is no answer; it is the last one.</param>
internal readonly record struct ModelAnswer(bool IsLast, Problem? Problem = null)
{
    public static implicit operator ModelAnswer(Problem problem) => new(true, problem);
}

/// <summary>Lets a model answer a request as often as it does: once, or step by step until it is done.</summary>
/// <remarks>
/// Answers are pulled: the next step begins when the receiver asks for it, after it has sent the one before. So a slow client slows its own steps, nothing piles
/// up, and who goes away gives everything back at once. Each step takes a turn of its own in the fair queue (docs/decisions/0013-steps-take-turns.md).
/// </remarks>
internal sealed class ModelAnswers(
    InferenceRunner runner, AnswersInProgress inProgress, IOptions<PredictionOptions> options, IOptions<AtollOptions> server, TimeProvider clock)
{
    /// <summary>Checks what is special about a model that answers many times, and asks for its answers where the client asked for no outputs by name.</summary>
    public static Problem? Prepare(Route route, InferTensors tensors)
    {
        if (route.Signature.Steps is not { } steps) return null;

        // Each answer would take the place of the one before, which the client may not have read.
        if (tensors.Shared is { HasNoOutputs: false })
            return OpenInferenceProblems.Unsupported($"model '{tensors.Model}' answers many times, its outputs cannot be put in shared memory");
        var own = steps.States.Select(state => state.Output).Append(steps.Done).ToHashSet();
        if (!tensors.AsksByName)
        {
            foreach (var output in tensors.Session.Outputs)
                if (!own.Contains(output.Name) && tensors.AskFor(output.Name) is { } problem) return problem;
            return null;
        }
        for (var i = 0; i < tensors.OutputCount; i++)
        {
            var (index, name) = (tensors.OutputAt(i), tensors.Session.Outputs[tensors.OutputAt(i)].Name);
            if (tensors.IsClassified(index) && own.Contains(name)) return OpenInferenceProblems.Invalid($"output '{name}' is a state of the model, which has no classes");
        }
        return null;
    }

    /// <summary>The answers one after the other. After a problem there is none.</summary>
    /// <param name="stepsMax">Steps that the client wants at most; null for as many as the model makes.</param>
    /// <param name="timeout">How long the client waits for the last one; null for as long as it takes.</param>
    public async IAsyncEnumerable<ModelAnswer> RunAsync(
        Route route, InferTensors tensors, long? stepsMax, TimeSpan? timeout, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (route.Signature.Steps is not { } steps)
        {
            yield return new ModelAnswer(true, await runner.RunAsync(route.TenantId, tensors, timeout, cancellationToken));
            yield break;
        }

        var (place, full) = inProgress.Begin(route.TenantId);
        if (place is null)
        {
            yield return full!;
            yield break;
        }
        using var begun = place;
        var session = tensors.Session;
        var states = steps.States.Select(state => (Input: session.IndexOfInput(state.Input), Output: session.IndexOfOutput(state.Output))).ToArray();
        var done = steps.Done is null ? -1 : session.IndexOfOutput(steps.Done);
        var most = Math.Min(stepsMax ?? long.MaxValue, Math.Min(steps.StepsMax ?? int.MaxValue, options.Value.StepsMax));
        var began = clock.GetTimestamp();
        for (var step = 1L; ; step++)
        {
            TimeSpan? left = timeout is { } all ? all - clock.GetElapsedTime(began) : null;
            if ((left <= TimeSpan.Zero ? OpenInferenceProblems.TimedOut() : await runner.RunAsync(route.TenantId, tensors, left, cancellationToken, isBegun: step > 1)) is { } failure)
            {
                yield return failure;
                yield break;
            }
            var isLast = step >= most || (done >= 0 && !tensors.Call.Outputs[done].Span<bool>().Contains(false));
            yield return new ModelAnswer(isLast);
            if (isLast) yield break;
            if (Feed(tensors, states, step) is { } misfit)
            {
                yield return misfit;
                yield break;
            }
        }
    }

    /// <summary>Makes what a step gave for the state what the next one takes.</summary>
    private Problem? Feed(InferTensors tensors, ReadOnlySpan<(int Input, int Output)> states, long step)
    {
        var (bytes, most) = (0L, server.Value.RequestBytesMax);
        foreach (var (input, output) in states)
        {
            var state = tensors.Call.Outputs[output];
            if (!Fits(state, tensors.Session.Inputs[input]))
            {
                return OpenInferenceProblems.Invalid(
                    $"the state '{tensors.Session.Outputs[output].Name}' of model '{tensors.Model}' has the shape [{string.Join(',', state.Shape)}] after step {step}, which the input '{tensors.Session.Inputs[input].Name}' cannot take");
            }
            bytes += BytesOf(state);
        }

        // A state is what the next request would send. It may grow with each step, and nobody has counted it before.
        if (bytes > most) return OpenInferenceProblems.Invalid($"the states of model '{tensors.Model}' have {bytes} bytes after step {step}, more than the {most} of Atoll:RequestBytesMax");
        tensors.Call.Feed(states);
        return tensors.CheckComplete();
    }

    private static long BytesOf(OnnxTensor state)
    {
        if (state.ElementType != TensorElementType.String) return (long)state.Count * TensorElements.Size(state.ElementType);
        using var strings = state.ReadStrings();
        return strings.Bytes + ((long)strings.Count * sizeof(int));
    }

    // A graph that models share may be wider than this model, so that it would not notice.
    private static bool Fits(OnnxTensor state, OnnxValueInfo input) =>
        !input.HasShape || (input.Shape.Length == state.Shape.Length && input.Shape.Zip(state.Shape).All(pair => pair.First < 0 || pair.First == pair.Second));

    /// <summary>What a client that can take one answer is told of a model that gives many.</summary>
    public static Problem? RefuseMany(Route route, string door) => route.Signature.Steps is null
        ? null
        : OpenInferenceProblems.Unsupported($"{door} doesn't support models with decoupled transaction policy; use generate_stream or ModelStreamInfer");
}
