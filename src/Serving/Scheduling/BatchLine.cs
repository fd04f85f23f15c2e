using System.Diagnostics;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>Requests to one model that wait for their turn. The first of them waits for all; when its turn comes, those that joined meanwhile run with it.</summary>
/// <remarks>
/// Nobody waits longer for the sake of a batch: one comes about only where requests have to wait anyway. That rows do not depend on each other, which no file
/// of a model tells, is seen: the first batches run a second time request by request, and a model whose answers differ is never batched again. A model
/// that gains nothing by it is left alone for a while.
/// </remarks>
internal sealed class BatchLine
{
    private const int TrialsNeeded = 3;
    private const int BatchesJudged = 8;
    private const double TimeWorthwhile = 0.9;
    private const double Smoothing = 0.2;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly LinkedList<Member> _waiting = new();
    private int _trials;
    private int _batches;
    private double _secondsPerRequest;
    private bool _isBroken;
    private long _offUntil;

    /// <summary>What came of waiting.</summary>
    internal enum Signal
    {
        /// <summary>It is the first now, and waits for a turn for all.</summary>
        Lead,

        /// <summary>It ran, or failed.</summary>
        Done,

        /// <summary>Its time is over.</summary>
        TooLate,
    }

    /// <summary>The line of the call's model; null when its requests cannot run together, or gain nothing.</summary>
    /// <param name="rowsMax">Rows of a batch; 0 for no batches.</param>
    public static BatchLine? Of(OnnxCall call, int rowsMax)
    {
        var session = call.Session;
        if (rowsMax < 2 || call.Inputs.IsEmpty || !IsBatch(session.Inputs) || !IsBatch(session.Outputs)) return null;
        var rows = call.Inputs[0].Shape[0];
        if (rows < 1 || rows > rowsMax / 2) return null;
        foreach (var input in call.Inputs)
            if (input.Shape[0] != rows) return null;
        var line = session.Line;
        return line._isBroken || Volatile.Read(ref line._offUntil) > Stopwatch.GetTimestamp() ? null : line;
    }

    /// <summary>Lines a call up; null when it has another shape than the first one. Its memory is the line's until the member was told, or has left.</summary>
    public Member? TryJoin(OnnxCall call)
    {
        lock (_lock)
        {
            if (_waiting.First is { } first && !HasShapeOf(first.Value.Call, call)) return null;
            var member = new Member(this, call) { Leads = _waiting.Count == 0 };
            _waiting.AddLast(member.Node);
            return member;
        }
    }

    /// <summary>Takes the first one, whose turn has come, and as many behind it as fit; who is first then waits for the next turn.</summary>
    public List<Member> Take(Member leader, int rowsMax)
    {
        var taken = new List<Member>();
        lock (_lock)
        {
            var rows = 0L;
            for (var node = leader.Node; node is not null;)
            {
                var next = node.Next;
                rows += node.Value.Rows;
                if (taken.Count > 0 && rows > rowsMax) break;
                _waiting.Remove(node);
                taken.Add(node.Value);
                node = next;
            }
            PassOn_NeedsLock();
        }
        return taken;
    }

    /// <summary>Runs requests that were taken, in their calls. The first one is the caller's; the others are told.</summary>
    /// <param name="run">Runs a call of so many rows, and counts it.</param>
    /// <param name="watch">Runs a call that nobody asked for: bounded in time, and not counted.</param>
    public void Run(List<Member> members, Action<OnnxCall, long> run, Action<OnnxCall> watch)
    {
        try
        {
            if (_trials < TrialsNeeded) Try(members, run, watch);
            else RunTogether(members, run);
        }
        finally
        {
            // Whatever happened: nobody waits for ever.
            foreach (var member in members) member.End();
        }
    }

    private void RunTogether(List<Member> members, Action<OnnxCall, long> run)
    {
        using var all = OnnxCall.Rent(members[0].Call.Session);
        try
        {
            var rows = Gather(members, all);
            var began = Stopwatch.GetTimestamp();
            run(all, rows);
            Judge(Stopwatch.GetElapsedTime(began).TotalSeconds / members.Count, all.Session.MeanTime.TotalSeconds);
            if (HasRows(all, rows))
            {
                Scatter(all, members);
                return;
            }
            _isBroken = true;
        }
        catch (OnnxException)
        {
            // Something is wrong with one of them, which the others need not know.
        }
        catch (Exception failure)
        {
            foreach (var member in members) member.Failure = failure;
            return;
        }
        RunEach(members, run);
    }

    /// <summary>Runs each request alone, and all once more together to see whether that is the same.</summary>
    private void Try(List<Member> members, Action<OnnxCall, long> run, Action<OnnxCall> watch)
    {
        RunEach(members, run);
        if (members.Exists(member => member.Failure is not null)) return;
        using var all = OnnxCall.Rent(members[0].Call.Session);
        try
        {
            var rows = Gather(members, all);
            watch(all);
            _isBroken = !HasRows(all, rows) || !IsSame(all, members);
            _trials++;
        }
        catch (Exception failure) when (failure is OnnxException or TimeoutException)
        {
            // Everybody has an answer already; together they cannot run.
            _isBroken = true;
        }
    }

    private static void RunEach(List<Member> members, Action<OnnxCall, long> run)
    {
        foreach (var member in members)
        {
            try
            {
                run(member.Call, member.Rows);
            }
            catch (Exception failure)
            {
                // For its own caller.
                member.Failure = failure;
            }
        }
    }

    private void Judge(double seconds, double secondsAlone)
    {
        _secondsPerRequest = _batches == 0 ? seconds : _secondsPerRequest + (Smoothing * (seconds - _secondsPerRequest));
        if (++_batches < BatchesJudged || secondsAlone <= 0 || _secondsPerRequest < TimeWorthwhile * secondsAlone) return;
        _batches = 0;
        Volatile.Write(ref _offUntil, Stopwatch.GetTimestamp() + (long)(Pause.TotalSeconds * Stopwatch.Frequency));
    }

    private static long Gather(List<Member> members, OnnxCall all)
    {
        var rows = 0L;
        foreach (var member in members) rows += member.Rows;
        for (var i = 0; i < all.Session.Inputs.Count; i++)
        {
            var shape = (long[])members[0].Call.Inputs[i].Shape.Clone();
            shape[0] = rows;
            var target = all.Allocate(i, shape);
            var at = 0;
            foreach (var member in members) at += Copy(member.Call.Inputs[i], 0, target, at, member.Call.Inputs[i].Count);
        }
        return rows;
    }

    private static void Scatter(OnnxCall all, List<Member> members)
    {
        for (var o = 0; o < all.Outputs.Length; o++)
        {
            var source = all.Outputs[o];
            var at = 0;
            foreach (var member in members)
            {
                var target = member.Call.AllocateOutput(o, ShapeOf(source, member.Rows));
                at += Copy(source, at, target, 0, target.Count);
            }
        }
    }

    private static bool IsSame(OnnxCall all, List<Member> members)
    {
        for (var o = 0; o < all.Outputs.Length; o++)
        {
            var source = all.Outputs[o];
            var at = 0;
            foreach (var member in members)
            {
                using var part = OnnxTensor.Allocate(source.ElementType, ShapeOf(source, member.Rows));
                at += Copy(source, at, part, 0, part.Count);
                if (Parity.Difference(member.Call.Outputs[o], part) is not null) return false;
            }
        }
        return true;
    }

    /// <summary>Copies elements; returns how many.</summary>
    private static int Copy(OnnxTensor from, int fromElement, OnnxTensor to, int toElement, int count)
    {
        if (from.ElementType == TensorElementType.String)
        {
            using var texts = from.ReadStrings();
            for (var i = 0; i < count; i++) to.SetUtf8(toElement + i, texts[fromElement + i]);
            return count;
        }
        var size = TensorElements.Size(from.ElementType);
        from.Bytes().Slice(fromElement * size, count * size).CopyTo(to.Bytes()[(toElement * size)..]);
        return count;
    }

    private static long[] ShapeOf(OnnxTensor batch, long rows)
    {
        var shape = (long[])batch.Shape.Clone();
        shape[0] = rows;
        return shape;
    }

    private static bool HasRows(OnnxCall all, long rows)
    {
        foreach (var output in all.Outputs)
            if (output.Shape.Length == 0 || output.Shape[0] != rows) return false;
        return true;
    }

    private static bool HasShapeOf(OnnxCall first, OnnxCall other)
    {
        for (var i = 0; i < first.Inputs.Length; i++)
            if (!first.Inputs[i].Shape.AsSpan(1).SequenceEqual(other.Inputs[i].Shape.AsSpan(1))) return false;
        return true;
    }

    private static bool IsBatch(IReadOnlyList<OnnxValueInfo> values)
    {
        for (var i = 0; i < values.Count; i++)
            if (values[i] is not { Kind: OnnxValueKind.Tensor, HasShape: true, Shape: [< 0, ..] }) return false;
        return true;
    }

    private void Leave(Member member)
    {
        lock (_lock)
        {
            if (member.Node.List is null) return;
            var wasFirst = _waiting.First == member.Node;
            _waiting.Remove(member.Node);
            if (wasFirst) PassOn_NeedsLock();
        }
    }

    private void PassOn_NeedsLock()
    {
        if (_waiting.First is not { Value: { Leads: false } next }) return;
        next.Leads = true;
        next.Tell(Signal.Lead);
    }

    /// <summary>A request in the line. Dispose it at its end, whatever that was.</summary>
    internal sealed class Member : IDisposable
    {
        private readonly BatchLine _line;
        private readonly TaskCompletionSource<Signal> _signal = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Member(BatchLine line, OnnxCall call)
        {
            (_line, Call, Rows) = (line, call, call.Inputs[0].Shape[0]);
            Node = new LinkedListNode<Member>(this);
        }

        public OnnxCall Call { get; }

        public long Rows { get; }

        /// <summary>It waits for the turn.</summary>
        public bool Leads { get; internal set; }

        /// <summary>Why it did not run.</summary>
        public Exception? Failure { get; internal set; }

        internal LinkedListNode<Member> Node { get; }

        /// <summary>Waits until it ran, or is the first.</summary>
        public async ValueTask<Signal> WaitAsync(TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
        {
            await using var stop = cancellationToken.UnsafeRegister(
                static (state, token) =>
                {
                    var member = (Member)state!;
                    if (member.TryGiveUp()) member._signal.TrySetCanceled(token);
                }, this);
            await using var alarm = timeout < TimeSpan.Zero || timeout > TimeSpan.FromDays(1) ? null : clock.CreateTimer(
                static state =>
                {
                    var member = (Member)state!;
                    if (member.TryGiveUp()) member.Tell(Signal.TooLate);
                }, this, timeout, Timeout.InfiniteTimeSpan);
            return await _signal.Task;
        }

        public void Dispose() => _line.Leave(this);

        internal void Tell(Signal signal) => _signal.TrySetResult(signal);

        internal void End() => Tell(Signal.Done);

        /// <summary>Leaves the line, unless it was taken out of it: then its memory is in use until it is told.</summary>
        private bool TryGiveUp()
        {
            lock (_line._lock)
            {
                if (Node.List is null || Leads) return false;
                _line._waiting.Remove(Node);
                return true;
            }
        }
    }
}
